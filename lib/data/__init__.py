"""The images and labels: where they come from, what they are, which frames are trained on."""
