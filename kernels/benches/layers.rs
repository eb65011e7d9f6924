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

/// Median time in milliseconds.
fn median(mut work: impl FnMut() -> Primitive) -> f64 {
    drop(work());
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || (start.elapsed().as_millis() < 150 && times.len() < 200) {
        let start = Instant::now();
        drop(std::hint::black_box(work()));
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    let sizes: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let [batch, height, width] = sizes.try_into().unwrap_or([4, 512, 128]);
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    println!("batch {batch}, full size {height}x{width}, {} threads", rayon::current_num_threads());
    println!("  in  out   height width   forward        input gradient weight gradient  (ms, GFLOP/s)");
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
            median(|| Flex::convolve2d(x.clone(), weight.clone(), None, options())),
            median(|| {
                Flex::convolve2d_input_gradient(x.clone(), weight.clone(), gradient.clone(), options())
            }),
            median(|| {
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
