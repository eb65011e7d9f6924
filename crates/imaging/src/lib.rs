//! Annotated images, independent of any network: the on-disk formats of the segmentation studies, synthetic
//! data in the same formats, augmentation, stain normalisation, morphological post-processing, and measures.
//!
//! Images are `[channel, y, x]`, masks `[y, x]` of class indices.

mod annotated;
pub mod augment;
mod background;
pub mod components;
mod exponential;
pub mod fit;
pub mod format;
pub mod mask;
pub mod measure;
pub mod morphology;
pub mod picture;
mod polygon;
mod quantile;
mod resize;
pub mod split;
pub mod stain;
pub mod synth;
mod warning;

pub use annotated::AnnotatedImage;
pub use background::Background;
pub use resize::{resize, resize_image, resize_mask};
pub use warning::Warning;
