//! The device that computes the networks.

use porecast_base::{Error, Result};
use porecast_kernels::Level;

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
            #[cfg(feature = "wgpu")]
            $crate::device::Device::Wgpu(index) => $function::<burn::backend::Autodiff<burn::backend::Wgpu>$(, $type)?>(
                &index.map_or_else(Default::default, burn::backend::wgpu::WgpuDevice::DiscreteGpu), $($argument),*
            ),
        }
    };
}
pub(crate) use on_device;

/// A device named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The CPU, through Burn's Flex backend.
    Flex,
    /// An NVIDIA GPU by index.
    #[cfg(feature = "cuda")]
    Cuda(usize),
    /// A GPU through Vulkan, Metal or DirectX 12: the one that the system prefers, or a discrete one by index.
    #[cfg(feature = "wgpu")]
    Wgpu(Option<usize>),
}

impl Device {
    /// Reads `cpu`, `cuda[:index]` or `wgpu[:index]`; `flex` is an older name of the CPU.
    ///
    /// # Errors
    /// `text` is another word, or a GPU's in a build without it, or that of a GPU that does not answer.
    pub fn parse(text: &str) -> Result<Self> {
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, Some(index)),
            None => (text, None),
        };
        match (name, index) {
            ("cpu" | "flex", None) => Ok(Self::Flex),
            #[cfg(feature = "cuda")]
            ("cuda", _) => Self::Cuda(numbered(text, name, index)?.unwrap_or(0)).reached(text),
            #[cfg(feature = "wgpu")]
            ("wgpu", _) => Self::Wgpu(numbered(text, name, index)?).reached(text),
            #[allow(unreachable_patterns, reason = "the features above read them")]
            ("cuda" | "wgpu", _) => Err(Error::config(
                "--device",
                format!("{text:?} needs a build with `cargo build --release --features {name}`; use cpu"),
            )),
            _ => Err(Error::config(
                "--device",
                format!("{text:?} is unknown; use cpu, cuda[:index] or wgpu[:index]"),
            )),
        }
    }

    /// The device, if it answers.
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    fn reached(self, text: &str) -> Result<Self> {
        // CubeCL panics where there is no device, with messages about its threads.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let answer = std::panic::catch_unwind(|| on_device!(self, answer()));
        std::panic::set_hook(hook);
        answer.map(|()| self).map_err(|_| {
            let what =
                format!("{text:?} does not answer: no such GPU, or no driver for it (docs/gpu.md); use cpu");
            Error::config("--device", what)
        })
    }
}

/// Has a device compute something.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn answer<B: burn::tensor::backend::Backend>(device: &B::Device) {
    burn::tensor::Tensor::<B, 1>::zeros([1], device).into_data();
}

impl Device {
    /// The device of one of the ranks on a machine: of GPUs without an index, that of the rank's number.
    ///
    /// # Errors
    /// As [`Device::parse`].
    pub(crate) fn of_rank(text: &str, rank: usize) -> Result<Self> {
        Self::parse(&numbered_for(text, rank, std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref()))
    }
}

/// The name of a rank's device; `visible` lists the GPUs that the launcher leaves to it, which are counted from 0 again.
fn numbered_for(text: &str, rank: usize, visible: Option<&str>) -> String {
    let count = visible.map_or(usize::MAX, |list| list.split(',').count());
    match text {
        "cuda" => format!("cuda:{}", rank % count),
        "wgpu" => format!("wgpu:{rank}"),
        _ => text.to_owned(),
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flex => f.write_str("cpu"),
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(None) => f.write_str("wgpu"),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(Some(index)) => write!(f, "wgpu:{index}"),
        }
    }
}

/// The number after the name of a device.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn numbered(text: &str, name: &str, index: Option<&str>) -> Result<Option<usize>> {
    let number = index.map(str::parse).transpose();
    number.map_err(|_| Error::config("--device", format!("{text:?} is not {name} or {name}:<index>")))
}

/// The instruction set that the networks are computed with on the CPU, in words.
pub fn instruction_set() -> &'static str {
    match Level::detected() {
        Level::Portable => "portable",
        Level::Neon => "NEON",
        Level::Avx2 => "AVX2",
        Level::Avx512 => "AVX-512",
        Level::Amx => "AVX-512 with matrix registers (AMX)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_take_the_gpus_of_their_machine_in_turn() {
        assert_eq!(numbered_for("cuda", 3, None), "cuda:3");
        assert_eq!(numbered_for("cuda", 3, Some("4,5")), "cuda:1");
        // srun gives each rank a GPU of its own.
        assert_eq!(numbered_for("cuda", 3, Some("3")), "cuda:0");
        assert_eq!([numbered_for("cuda:2", 3, None), numbered_for("cpu", 3, None)], ["cuda:2", "cpu"]);
        assert_eq!(numbered_for("wgpu", 1, Some("3")), "wgpu:1");
    }
}
