//! The device that computes the networks.

use porecast_base::{Error, Result};
use porecast_kernels::Level;

/// A device named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The CPU, through Burn's Flex backend.
    Flex,
    /// An NVIDIA GPU by index.
    #[cfg(feature = "cuda")]
    Cuda(usize),
}

impl Device {
    /// Reads `cpu` or `cuda[:index]`; `flex` is an older name of the CPU.
    ///
    /// # Errors
    /// `text` is another word, or `cuda` in a build without CUDA.
    pub fn parse(text: &str) -> Result<Self> {
        match text.split_once(':').unwrap_or((text, "0")) {
            ("cpu" | "flex", _) if matches!(text, "cpu" | "flex") => Ok(Self::Flex),
            #[cfg(feature = "cuda")]
            ("cuda", index) => index
                .parse()
                .map(Self::Cuda)
                .map_err(|_| Error::config("--device", format!("{text:?} is not cuda or cuda:<index>"))),
            #[cfg(not(feature = "cuda"))]
            ("cuda", _) => Err(Error::config(
                "--device",
                format!("{text:?} needs a build with `cargo build --release --features cuda`; use cpu"),
            )),
            _ => Err(Error::config("--device", format!("{text:?} is unknown; use cpu or cuda[:index]"))),
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flex => f.write_str("cpu"),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// The instruction set that the networks are computed with on the CPU, in words.
pub fn instruction_set() -> &'static str {
    match Level::detected() {
        Level::Portable => "portable",
        Level::Avx2 => "AVX2",
        Level::Avx512 => "AVX-512",
        Level::Amx => "AVX-512 with matrix registers (AMX)",
    }
}

/// Calls a function that is generic over a training backend with the backend of a device.
///
/// `on_device!(device, function(arguments...))` calls
/// `function::<Backend>(&backend_device, arguments...)`, and
/// `on_device!(device, function::<T>(arguments...))` calls
/// `function::<Backend, T>(&backend_device, arguments...)`.
macro_rules! on_device {
    ($device:expr, $function:ident$(::<$type:ty>)?($($argument:expr),* $(,)?)) => {
        match $device {
            $crate::device::Device::Flex => {
                $function::<burn::backend::Autodiff<burn::backend::Flex>$(, $type)?>(&Default::default(), $($argument),*)
            }
            #[cfg(feature = "cuda")]
            $crate::device::Device::Cuda(index) => $function::<burn::backend::Autodiff<burn::backend::Cuda>$(, $type)?>(
                &burn::backend::cuda::CudaDevice::new(index), $($argument),*
            ),
        }
    };
}
pub(crate) use on_device;
