"""Makes and measures models: corpus, training, quantising, evaluation."""
