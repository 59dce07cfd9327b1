"""Evaluation: what a trained model is compared with."""
