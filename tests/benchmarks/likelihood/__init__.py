"""What the targets part of likelihood_models is made of."""
