//! Times single operations for `benches/against_albumentations.py`.
//!
//! ```text
//! time_imaging IMAGE FOLDER
//! ```
//!
//! IMAGE holds height and width as 32-bit integers and then RGB bytes `[y, x, c]`. Prints `ready`; then for each line
//! on standard input runs that operation once and prints the seconds, by the clock and of processors. A line `write OPERATION` writes the result to
//! FOLDER in place of timing it, as RGB bytes, and prints the path.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use ndarray::Array3;
use porecast_imaging::AnnotatedImage;
use porecast_imaging::augment::{Operation, Outside, Policy};
use porecast_imaging::stain::{Chosen, MacenkoConfig, Stains, normalise};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(input), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: time_imaging IMAGE FOLDER".into());
    };
    let original = read(&std::fs::read(input)?)?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "ready")?;
    output.flush()?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (name, write) = match line.strip_prefix("write ") {
            Some(name) => (name, true),
            None => (line.as_str(), false),
        };
        let mut sample = original.clone();
        let (start, worked) = (Instant::now(), processor_seconds()?);
        run(name, &mut sample)?;
        let (seconds, worked) = (start.elapsed().as_secs_f64(), processor_seconds()? - worked);
        if write {
            let path = folder.join(name);
            std::fs::write(&path, bytes(&sample.image))?;
            writeln!(output, "{}", path.display())?;
        } else {
            writeln!(output, "{seconds} {worked}")?;
        }
        output.flush()?;
    }
    Ok(())
}

/// `macenko`, `policy`, or an operation and its strength as in `rotate 20`.
fn run(name: &str, sample: &mut AnnotatedImage) -> Result<(), Failure> {
    let outside = Outside::Fill { value: 0.0, class: 0 };
    match name {
        "macenko" => {
            let config = MacenkoConfig::default();
            sample.image = normalise(sample.image.view(), &Stains::REFERENCE, Chosen::Both, &config)?;
        }
        "policy" => {
            for (operation, _, level) in Policy::Imagenet.table().iter().flat_map(|steps| steps.iter()) {
                operation.apply(operation.strength(*level, false), sample, outside);
            }
        }
        _ => {
            let (operation, strength) = name.split_once(' ').ok_or("an operation and its strength")?;
            let operation: Operation = serde_json::from_value(operation.into())?;
            operation.apply(strength.parse()?, sample, outside);
        }
    }
    Ok(())
}

/// What all threads of this process have had of processors (Linux).
fn processor_seconds() -> Result<f64, Failure> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let times = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += times.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(nanoseconds as f64 * 1e-9)
}

fn read(raw: &[u8]) -> Result<AnnotatedImage, Failure> {
    let (header, pixels) = raw.split_at_checked(8).ok_or("the image is too short")?;
    let side = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i])) as usize;
    let (height, width) = (side(0), side(4));
    let pixels = Array3::from_shape_vec((height, width, 3), pixels.to_vec())?;
    let image = pixels.permuted_axes([2, 0, 1]).mapv(|v| f32::from(v) / 255.0);
    Ok(AnnotatedImage {
        id: "image".to_owned(),
        group: "image".to_owned(),
        image: image.as_standard_layout().into_owned(),
        mask: None,
        original_shape: (height, width),
        spacing_mm: None,
    })
}

fn bytes(image: &Array3<f32>) -> Vec<u8> {
    image.view().permuted_axes([1, 2, 0]).iter().map(|v| (v * 255.0 + 0.5) as u8).collect()
}
