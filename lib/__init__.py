"""Library of the study: data, model, training, metrics and figures."""
