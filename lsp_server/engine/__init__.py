"""Inference engines behind one small Protocol."""
