"""Networks: the denoiser inside a head. Noisy target and condition in, prediction out."""
