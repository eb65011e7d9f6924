//! The device that computes the networks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use burn::tensor::{Tensor, TensorData};
use porecast_base::{Error, ErrorKind, Result};
use porecast_kernels::{Backend as Kernels, Level};

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
    /// `text` is another word, names a kind of GPU that this build does not support, or a GPU that does not answer.
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
                format!("{text:?} needs a build with `cargo install --path . --features {name}`; use cpu"),
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
        let answer = catch_unwind(|| on_device!(self, answer()));
        std::panic::set_hook(hook);
        watch();
        answer.map(|()| self).map_err(|_| {
            let what =
                format!("{text:?} does not answer: no such GPU, or no driver for it (docs/gpu.md); use cpu");
            Error::config("--device", what)
        })
    }
}

/// The first panic on the thread of a GPU. CubeCL goes on after it, with wrong numbers.
static FAILURE: Mutex<Option<String>> = Mutex::new(None);

/// Notes panics on the threads of GPUs, instead of printing them.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn watch() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // CubeCL's names of its threads: DSU-0-0, DSD-0-0.
            if std::thread::current().name().is_some_and(|name| name.starts_with("DS")) {
                let text = info.payload_as_str().unwrap_or("no reason given").to_owned();
                FAILURE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
            } else {
                print(info);
            }
        }));
    });
}

/// A device that could not allocate a buffer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Full {
    /// Bytes that this process had reserved there, if the device says so.
    pub reserved: Option<u64>,
    /// Size of the buffer over that of the largest that the device can hold; 1 if that was not the reason.
    pub excess: f64,
}

/// Numbers of a tensor, when the device has computed them. `advice` says what to do if its memory is full.
///
/// # Errors
/// The device could not compute them, most often because its memory is full.
pub(crate) fn read<B: Kernels, const D: usize>(
    tensor: Tensor<B, D>,
    advice: impl FnOnce(Full) -> String,
) -> Result<TensorData> {
    let device = tensor.device();
    let data = catch_unwind(AssertUnwindSafe(|| tensor.try_into_data().map_err(|error| error.to_string())));
    let failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let text = match (failure, data) {
        (None, Ok(Ok(data))) => return Ok(data),
        (Some(text), _) | (None, Ok(Err(text))) => text,
        (None, Err(panic)) => std::panic::resume_unwind(panic),
    };
    let reason = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let reason = reason.rsplit_once("an `Err` value: ").map_or(reason, |(_, reason)| reason);
    Err(if is_for_memory(&text) {
        let excess = B::largest_buffer(&device).zip(size_of_buffer(&text));
        let excess = excess.map_or(1.0, |(limit, size)| (size / limit as f64).max(1.0));
        let full = Full { reserved: B::reserved_memory(&device), excess };
        let what = format!("the memory of the GPU is full ({reason}); {}", advice(full));
        Error::config("--device", what)
    } else {
        Error::new(ErrorKind::Diverged, "--device", format!("the GPU has failed: {reason}; use cpu"))
    })
}

/// Bytes of the buffer that CubeCL could not allocate: "can't allocate buffer of size: 8192".
fn size_of_buffer(text: &str) -> Option<f64> {
    let number = text.split_once("buffer of size: ")?.1.split(|c: char| !c.is_ascii_digit()).next()?;
    number.parse().ok()
}

/// Whether a GPU failed because a buffer could not be allocated.
fn is_for_memory(text: &str) -> bool {
    ["BufferTooBig", "allocate buffer", "ut of memory", "OutOfMemory", "OUT_OF_MEMORY"]
        .iter()
        .any(|word| text.contains(word))
}

fn largest_buffer<B: Kernels>(device: &B::Device) -> Option<u64> {
    B::largest_buffer(device)
}

/// Has a device compute something.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn answer<B: burn::tensor::backend::Backend>(device: &B::Device) {
    burn::tensor::Tensor::<B, 1>::zeros([1], device).into_data();
}

impl Device {
    /// Bytes of the largest buffer that it holds; `None` for a CPU.
    pub(crate) fn largest_buffer(self) -> Option<u64> {
        on_device!(self, largest_buffer())
    }

    /// The device of rank `rank` on its machine: `cuda` and `wgpu` without an index get the number of the rank as index.
    ///
    /// # Errors
    /// As [`Device::parse`].
    pub(crate) fn of_rank(text: &str, rank: usize) -> Result<Self> {
        Self::parse(&numbered_for(text, rank, std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref()))
    }
}

/// The name of a rank's device. `visible` lists the GPUs that the launcher assigned to the rank; CUDA numbers these from 0.
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

    #[cfg(feature = "wgpu")]
    #[test]
    fn a_gpu_whose_memory_is_full_says_so() {
        use burn::backend::Wgpu;
        Device::parse("wgpu").expect("a device");
        let advice = |full: Full| format!("advice for {} times, {}", full.excess, full.reserved.is_some());
        let of_size = |size| read(Tensor::<Wgpu, 1>::ones([size], &Default::default()) * 2.0, advice);
        assert_eq!(of_size(3).expect("computed").to_vec::<f32>().expect("floats"), [2.0; 3]);
        // 4 GiB, 32 times what a buffer of llvmpipe holds.
        let error = of_size(1 << 30).expect_err("too large").to_string();
        assert!(
            error.contains("memory of the GPU is full") && error.ends_with("advice for 32 times, true"),
            "{error}"
        );
        // One failure is one error.
        assert!(of_size(3).is_ok());
    }

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
