//! Networks that learn how a fluid invades a porous domain, or what an image shows.

pub mod data;
mod device;
pub mod loss;
pub mod model;
pub mod predict;
pub mod sample;
pub mod search;
pub mod task;
pub mod train;
