//! Annotated images, without any network: the on-disk formats of the segmentation studies, synthetic data in the same
//! formats, augmentation, stain normalisation, morphology after prediction, and measures.
//!
//! Images are `[channel, y, x]`, masks `[y, x]` of class indices.

mod annotated;
mod error;

pub use annotated::AnnotatedImage;
pub use error::{Error, Result};
