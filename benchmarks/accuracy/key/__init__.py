"""What the key alone does, before anything is compared: right records reached, others admitted."""
