"""The torch modules of the models by the chain rule."""
