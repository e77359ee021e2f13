"""Every test on one thread, so that the suite shares a machine well and numbers do not depend on it."""

import torch


torch.set_num_threads(1)
