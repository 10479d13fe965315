"""A reproducibility study of U-Net on DIC-C2DH-HeLa: data, network, scoring, study, page."""
