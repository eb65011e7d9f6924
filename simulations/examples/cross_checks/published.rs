//! A published sequence, percolation and lattice Boltzmann on its geometry.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;

use ndarray::{Array2, Array3, ArrayView2};
use ndarray_npy::NpzReader;
use porecast_simulations::lattice_boltzmann::{Injection, LatticeBoltzmannConfig, simulate};
use porecast_simulations::percolation::{Sides, Until, at_saturations};
use porecast_simulations::{Domain, FluidPair, Side};

use crate::Result;
use crate::cases::overlap;
use crate::figures::{Cell, mosaic};

/// Pixels of the picture along the edge of a pixel here: as coarse as throats of four pixels allow.
const DOWNSCALE: f64 = 1.5;
/// As low as some ten minutes of one core allow.
const CAPILLARY_NUMBER: f64 = 5e-4;
const CONTACT_ANGLE_DEG: f64 = 45.0;
/// Frames that are drawn.
const SHOWN: [usize; 3] = [1, 3, 5];

pub fn compare(folder: &Path, labels: &Path) -> Result {
    let labels: Array3<u8> = NpzReader::new(File::open(labels)?)?.by_name("labels")?;
    let frames: Vec<Array2<u8>> = labels.outer_iter().map(coarsened).collect();
    let domain = Domain { solid: frames[0].map(|&label| label == 0), voxel_size_m: 1e-5 };
    let invaded =
        |frame: &Array2<u8>| Array2::from_shape_fn(domain.shape(), |at| !domain.solid[at] && frame[at] == 2);
    let published: Vec<Array2<bool>> = frames.iter().map(invaded).collect();
    let saturation = |frame: &Array2<bool>| {
        frame.iter().filter(|&&invaded| invaded).count() as f64 / domain.pore_count() as f64
    };
    let saturations: Vec<f64> = published.iter().map(saturation).collect();

    let config = LatticeBoltzmannConfig {
        injection: Injection::CapillaryNumber(CAPILLARY_NUMBER),
        viscosity_ratio: Some(1.0),
        frames: 121,
        until: Until::PoreVolumes(0.6),
        threads: 2,
        ..LatticeBoltzmannConfig::default()
    };
    let fluids = FluidPair { contact_angle_deg: CONTACT_ANGLE_DEG, ..FluidPair::default() };
    let drainage = simulate(&domain, Side::Top, &fluids, &config, 0)?;
    let dynamic: Vec<Array2<bool>> = saturations
        .iter()
        .map(|wanted| {
            let miss = |frame: &&Array2<bool>| (saturation(frame) - wanted).abs();
            let frames: Vec<Array2<bool>> =
                drainage.trajectory.phase.outer_iter().map(|f| f.to_owned()).collect();
            frames.iter().min_by(|a, b| miss(a).total_cmp(&miss(b))).cloned().ok_or("there are frames")
        })
        .collect::<std::result::Result<_, _>>()?;
    let quasi_static = at_saturations(&domain, Side::Top, Sides::Open, Some(&published[0]), &saturations)?;

    let mut page = format!(
        "# A published sequence\n\nWritten by `cargo run --release -p porecast-simulations --example \
         cross_checks -- docs/validation multiphaseFlowLowCa_labels.npz`; that run measured every number.\n\n\
         The sequence is a volume-of-fluid simulation of drainage at a low capillary number by GeoChemFoam \
         (Heriot-Watt University). It was read from the published animation, so pixels at interfaces are noisy. \
         Here it has {} x {} pixels (the animation is {DOWNSCALE} times as large), inlet on top, porosity {:.3}. \
         The animation does not state fluids and rate. Lattice Boltzmann runs at Ca = {CAPILLARY_NUMBER:.0e} \
         with equal viscosities and a contact angle of {CONTACT_ANGLE_DEG}° and starts without invading fluid. \
         Percolation starts from the first published frame. All three are compared at equal saturation over the \
         whole domain.\n\n\
         | frame | saturation | lattice Boltzmann and published | percolation and published | lattice Boltzmann \
         and percolation \
         |\n|---|---|---|---|---|\n",
        domain.shape().0,
        domain.shape().1,
        domain.porosity(),
    );
    let mut cells: [Vec<Cell>; 3] = Default::default();
    for frame in 0..published.len() {
        let (a, b, c) = (published[frame].view(), dynamic[frame].view(), quasi_static[frame].view());
        writeln!(
            page,
            "| {frame} | {:.3} | {:.3} | {:.3} | {:.3} |",
            saturations[frame],
            overlap(a, b),
            overlap(a, c),
            overlap(b, c)
        )?;
        if SHOWN.contains(&frame) {
            for (row, (name, phase)) in
                cells.iter_mut().zip([("published", a), ("lattice Boltzmann", b), ("percolation", c)])
            {
                row.push(Cell {
                    title: format!("{name}, {:.2}", saturations[frame]),
                    solid: domain.solid.clone(),
                    invaded: phase.to_owned(),
                });
            }
        }
    }
    let last = dynamic.len() - 1;
    writeln!(
        page,
        "\nIntersection over union of the invading fluid. The lattice Boltzmann frames have these saturations \
         to within {:.3}; breakthrough is at a saturation of {:.3}. {} time steps, mass drift {:.0e}.\n\n\
         The command also draws `published.png`, the three side by side. That figure contains the published \
         frames and is not part of the project.",
        (0..=last).map(|i| (saturation(&dynamic[i]) - saturations[i]).abs()).fold(0.0, f64::max),
        at_breakthrough(drainage.trajectory.phase.outer_iter(), &saturation),
        drainage.steps,
        drainage.mass_drift,
    )?;
    println!("{page}");
    mosaic(folder, "published", &cells.into_iter().flatten().collect::<Vec<_>>(), SHOWN.len(), 1)?;
    std::fs::write(folder.join("published-sequence.md"), page)?;
    Ok(())
}

/// Saturation of the first frame with invading fluid on the outlet edge.
fn at_breakthrough<'a>(
    mut frames: impl Iterator<Item = ArrayView2<'a, bool>>,
    saturation: &impl Fn(&Array2<bool>) -> f64,
) -> f64 {
    let reached = |frame: &ArrayView2<bool>| frame.row(frame.nrows() - 1).iter().any(|&invaded| invaded);
    frames.find(reached).map_or(f64::NAN, |frame| saturation(&frame.to_owned()))
}

/// The labels in the middle of larger pixels.
fn coarsened(labels: ArrayView2<u8>) -> Array2<u8> {
    let length = |pixels: usize| (pixels as f64 / DOWNSCALE) as usize;
    let middle = |index: usize| ((index as f64 + 0.5) * DOWNSCALE) as usize;
    Array2::from_shape_fn((length(labels.nrows()), length(labels.ncols())), |(y, x)| {
        labels[[middle(y), middle(x)]]
    })
}
