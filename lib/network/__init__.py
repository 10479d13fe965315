"""The networks, what they are trained to answer, and how."""
