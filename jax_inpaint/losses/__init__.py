"""Losses: each returns one value per example; mean and weight stay visible where they are used."""
