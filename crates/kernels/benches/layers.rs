//! Time of each convolution layer of a UNet and of its gradients, against what its multiplications need at least.
//!
//! `cargo bench --bench layers [-- batch height width]`

use std::time::Instant;

use burn::backend::Flex;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Distribution, Tensor};
use porecast_kernels::Backend;

type Primitive = burn::tensor::ops::FloatTensor<Flex>;

fn random(shape: [usize; 4]) -> Primitive {
    Tensor::<Flex, 4>::random(shape, Distribution::Uniform(-1.0, 1.0), &Default::default())
        .into_primitive()
        .tensor()
}

/// Time that the threads of this process spent on processors, in seconds: what other programs on the machine take
/// does not count. `None` where the system does not tell.
fn processor_time() -> Option<f64> {
    let mut nanoseconds = 0.0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += text.split_whitespace().next()?.parse::<f64>().ok()?;
    }
    Some(nanoseconds / 1e9)
}

/// Milliseconds of all threads together that one call takes, the least of several: other programs only ever add; elapsed time times threads where
/// the system does not tell.
fn least(mut work: impl FnMut() -> Primitive) -> f64 {
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
    times.into_iter().fold(f64::INFINITY, f64::min)
}

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let [batch, height, width] = sizes.try_into().unwrap_or([4, 512, 128]);
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    println!("batch {batch}, full size {height}x{width}, {} threads", rayon::current_num_threads());
    println!(
        "  in  out   height width   forward        input gradient weight gradient  (processor ms, GFLOP/s of one thread)"
    );
    let mut totals = [0.0; 3];
    for (level, in_channels, out_channels) in [
        (0, 2, 16),
        (0, 16, 16),
        (1, 16, 32),
        (1, 32, 32),
        (2, 32, 64),
        (2, 64, 64),
        (3, 64, 128),
        (3, 128, 128),
        (4, 128, 256),
        (4, 256, 256),
        (3, 256, 128),
        (3, 128, 128),
        (2, 128, 64),
        (2, 64, 64),
        (1, 64, 32),
        (1, 32, 32),
        (0, 32, 16),
        (0, 16, 16),
    ] {
        let (height, width) = (height >> level, width >> level);
        let x = random([batch, in_channels, height, width]);
        let weight = random([out_channels, in_channels, 3, 3]);
        let gradient = random([batch, out_channels, height, width]);
        let times = [
            least(|| Flex::convolve2d(x.clone(), weight.clone(), None, options())),
            least(|| Flex::convolve2d_input_gradient(x.clone(), weight.clone(), gradient.clone(), options())),
            least(|| {
                Flex::convolve2d_weight_gradient(x.clone(), weight.clone(), gradient.clone(), options())
            }),
        ];
        let operations = 2.0 * 9.0 * (batch * in_channels * out_channels * height * width) as f64;
        print!("{in_channels:>4} {out_channels:>4}   {height:>6} {width:>5}");
        for (total, time) in totals.iter_mut().zip(times) {
            print!("  {time:>7.3} {:>6.0}", operations / time / 1e6);
            *total += time;
        }
        println!();
    }
    println!("together {:>26.3} {:>15.3} {:>15.3}", totals[0], totals[1], totals[2]);
}
