//! Files: the HDF5 schema and every other format. The only module that opens data files.

pub mod atomic;
pub mod benchmark;
pub mod card;
pub mod checkpoint;
pub mod dataset;
pub mod dynamics;
mod h5;
pub mod image;
pub mod invasion;
pub mod listing;
pub mod mask_prediction;
pub mod npz;
mod pickle;
pub mod prediction;
pub mod run;
pub mod segmentation;
pub mod table;
pub mod weights;

pub use dataset::{COMPARISON_FILE, Dataset, Kept, Predictions, is_of_images};
pub use dynamics::{Dynamics, LatticeRecord, Recorded};
pub use invasion::InvasionDataset;
pub use mask_prediction::{MaskFile, MaskPrediction};
pub use prediction::{Prediction, PredictionFile};
pub use run::RunFolder;
pub use segmentation::SegmentationDataset;
