"""What each kind of model is fitted to: one file a kind, listed in ``trainer.kinds``."""
