"""The diffusion process as the paper writes it: pure functions and frozen records over torch tensors.

A mask ``x`` in {-1, +1} is mixed with Gaussian noise, ``x_t = alpha_t x + sigma_t eps`` (Eq. 1), where
``alpha_t^2 + sigma_t^2 = 1``. One number says everything about a time: ``lam = log(alpha_t^2 / sigma_t^2)``, the log
signal-to-noise ratio. ``alpha^2 = sigmoid(lam)`` and ``sigma^2 = sigmoid(-lam)`` are computed from it, never from each
other: in float32 ``sqrt(1 - alpha^2)`` is 0 at lam = 20 where sigma is 4.5e-5.

Legend: S samples, C channels, H x W pixels; ``lam_t`` belongs to the noisier time t, ``lam_s > lam_t`` to s < t.
"""
