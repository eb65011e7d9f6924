//! Time of each convolution layer of a UNet or a ResNet18-UNet and of its gradients, against the limits of the machine.
//!
//! `cargo bench --bench layers [-- [resnet] batch height width]`

use std::time::Instant;

use burn::backend::Flex;
use burn::tensor::TensorMetadata;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Distribution, Tensor};
use porecast_kernels::{Backend, Level, peak};

type Primitive = burn::tensor::ops::FloatTensor<Flex>;

/// A convolution of a network; its input is the image divided by 2^level.
struct Layer {
    level: usize,
    channels: [usize; 2],
    kernel: usize,
    stride: usize,
}

/// 3x3 kernels of the UNet with 16 base channels.
fn unet() -> Vec<Layer> {
    let layers = [
        (0, [2, 16]),
        (0, [16, 16]),
        (1, [16, 32]),
        (1, [32, 32]),
        (2, [32, 64]),
        (2, [64, 64]),
        (3, [64, 128]),
        (3, [128, 128]),
        (4, [128, 256]),
        (4, [256, 256]),
        (3, [256, 128]),
        (3, [128, 128]),
        (2, [128, 64]),
        (2, [64, 64]),
        (1, [64, 32]),
        (1, [32, 32]),
        (0, [32, 16]),
        (0, [16, 16]),
    ];
    layers.map(|(level, channels)| Layer { level, channels, kernel: 3, stride: 1 }).into()
}

/// The kinds of layers of the ResNet18-UNet.
fn resnet() -> Vec<Layer> {
    let layers = [
        (0, [4, 64], 7, 2),
        (2, [64, 64], 3, 1),
        (2, [64, 128], 3, 2),
        (2, [64, 128], 1, 2),
        (3, [128, 128], 3, 1),
        (3, [128, 256], 3, 2),
        (3, [128, 256], 1, 2),
        (4, [256, 256], 3, 1),
        (4, [256, 512], 3, 2),
        (4, [256, 512], 1, 2),
        (5, [512, 512], 3, 1),
        (4, [768, 256], 3, 1),
        (3, [384, 128], 3, 1),
        (2, [192, 64], 3, 1),
        (1, [128, 32], 3, 1),
        (0, [32, 16], 3, 1),
    ];
    layers.map(|(level, channels, kernel, stride)| Layer { level, channels, kernel, stride }).into()
}

fn random(shape: [usize; 4]) -> Primitive {
    Tensor::<Flex, 4>::random(shape, Distribution::Uniform(-1.0, 1.0), &Default::default())
        .into_primitive()
        .tensor()
}

/// Time that the threads of this process spent on processors, in seconds: what other programs on the machine take
/// does not count. `None` where the system does not tell.
#[cfg(target_os = "linux")]
fn processor_time() -> Option<f64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes the time.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    (failed == 0).then(|| time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}

#[cfg(not(target_os = "linux"))]
fn processor_time() -> Option<f64> {
    None
}

/// Milliseconds of all threads together that one call takes, the median of several: the clock of a virtual machine can
/// jump. Elapsed time times threads where the system does not tell.
fn median(mut work: impl FnMut() -> Primitive) -> f64 {
    drop(work());
    let threads = rayon::current_num_threads() as f64;
    let clock = || processor_time().unwrap_or(f64::NAN);
    let (mut times, started) = (Vec::new(), Instant::now());
    while times.len() < 5 || (started.elapsed().as_millis() < 200 && times.len() < 100) {
        let (before, start) = (clock(), Instant::now());
        drop(std::hint::black_box(work()));
        let elapsed = start.elapsed().as_secs_f64() * threads;
        let spent = clock() - before;
        times.push(1e3 * if spent.is_nan() { elapsed } else { spent });
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let is_resnet = std::env::args().any(|argument| argument == "resnet");
    let sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let default = if is_resnet { [2, 384, 384] } else { [4, 512, 128] };
    let [batch, height, width] = sizes.try_into().unwrap_or(default);
    let level = Level::current();
    let (flops, bytes) = (peak::gigaflops(level), peak::gigabytes_per_second(level));
    println!(
        "batch {batch}, full size {height}x{width}, {} threads, {level:?}; one thread reaches {flops:.0} GFLOP/s of \
         multiply-adds and {bytes:.1} GB/s in the triad",
        rayon::current_num_threads()
    );
    println!(
        "processor ms, GFLOP/s of one thread, and the share of the limit: the time that the plain multiplications or"
    );
    println!("the inputs and outputs need at least, whichever is longer, divided by the time");
    println!(
        "  in  out kernel   height width        forward             input gradient       weight gradient"
    );
    let mut totals = [0.0; 3];
    for Layer { level, channels: [in_channels, out_channels], kernel, stride } in
        if is_resnet { resnet() } else { unet() }
    {
        let (height, width) = (height >> level, width >> level);
        let [out_height, out_width] = [height, width].map(|size| size.div_ceil(stride));
        let options = || ConvOptions::new([stride; 2], [kernel / 2; 2], [1, 1], 1);
        let x = random([batch, in_channels, height, width]);
        let weight = random([out_channels, in_channels, kernel, kernel]);
        let gradient = random([batch, out_channels, out_height, out_width]);
        let times = [
            median(|| Flex::convolve2d(x.clone(), weight.clone(), None, options())),
            median(|| {
                Flex::convolve2d_input_gradient(x.shape(), weight.clone(), gradient.clone(), options())
            }),
            median(|| {
                Flex::convolve2d_weight_gradient(x.clone(), weight.clone(), gradient.clone(), options())
            }),
        ];
        let weights = kernel * kernel * in_channels * out_channels;
        let pixels = batch * out_height * out_width;
        let operations = (2 * weights * pixels) as f64;
        let floats = batch * in_channels * height * width + out_channels * pixels + weights;
        let limit = 1e-6 * (operations / flops).max((size_of::<f32>() * floats) as f64 / bytes);
        print!("{in_channels:>4} {out_channels:>4} {kernel}x{kernel}/{stride}    {height:>6} {width:>5}");
        for (total, time) in totals.iter_mut().zip(times) {
            print!("  {time:>8.3} {:>5.0} {:>5.2}", operations / time / 1e6, limit / time);
            *total += time;
        }
        println!();
    }
    println!("together {:>31.3} {:>21.3} {:>21.3}", totals[0], totals[1], totals[2]);
}
