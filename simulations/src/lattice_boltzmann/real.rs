//! The two floating-point types that the solver supports.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::passes::Passes;

/// A floating-point number: `f32` for speed, `f64` as the reference.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Passes
    + 'static
{
    /// Bytes per number in a saved state.
    const BYTES: usize;
    /// The nearest number of this type.
    fn of(value: f64) -> Self;
    /// The same value in double precision.
    fn to_f64(self) -> f64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Appends the little-endian bytes.
    fn write(self, bytes: &mut Vec<u8>);
    /// Reads little-endian bytes; `bytes` has exactly [`BYTES`](Self::BYTES).
    fn read(bytes: &[u8]) -> Option<Self>;
}

macro_rules! real {
    ($($float:ty)*) => {$(
        impl Real for $float {
            const BYTES: usize = size_of::<$float>();
            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $float
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        }
    )*};
}

real!(f32 f64);
