"""Linear semantic segmentation: many 1x1 heads over one frozen encoder (paper, section 4; code, segmentation/)."""
