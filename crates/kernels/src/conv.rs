//! Convolution as products of packed panels.
//!
//! A convolution, its input gradient and its weight gradient all process row tiles: a few output rows of one
//! image. The input of a tile is first copied into a [panel](panel), in which each tap of the kernel is at a
//! fixed offset from the output pixel. The rest is a matrix product in registers, for any kernel size, stride
//! and dilation.

pub(crate) mod bias_gradient;
pub(crate) mod direct;
pub(crate) mod finish;
pub(crate) mod halves;
pub(crate) mod images;
pub(crate) mod matrix;
pub(crate) mod matrix_gradient;
pub(crate) mod panel;
pub(crate) mod shape;
pub(crate) mod square;
pub(crate) mod tile;
pub(crate) mod transposed;
pub(crate) mod weight_gradient;
pub(crate) mod winograd;
