//! Ten domains at falling capillary numbers, against percolation.

use std::fmt::Write;
use std::path::Path;

use porecast_simulations::domain::DiscPackConfig;
use porecast_simulations::lattice_boltzmann::{Injection, LatticeBoltzmannConfig, Units, simulate};
use porecast_simulations::percolation::{Sides, at_saturations};
use porecast_simulations::{Domain, DomainConfig, FluidPair, Side};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

use crate::Result;
use crate::cases;
use crate::figures::{Cell, Line, chart, mosaic};

const SHAPE: (usize, usize) = (128, 64);
const DOMAINS: usize = 10;
const ANGLES: [f64; 1] = [45.0];
const CAPILLARY_NUMBERS: [f64; 4] = [0.031_622_776_6, 1e-2, 1e-3, 3e-4];

/// What came out for one domain.
struct Outcome {
    overlap: f64,
    saturation: f64,
    cells: [Cell; 2],
}

pub fn compare(folder: &Path) -> Result {
    let mut page = String::from(
        "# Towards percolation\n\nWritten by `cargo run --release -p porecast-simulations --example cross_checks`; \
         that run measured every number.\n\n\
         Ten disc packs of 128 x 64 pixels (porosity 0.65, mean radius 8, gaps of at least 5.5 pixels), inlet on \
         top, equal viscosities, until breakthrough. Each frame is compared with image-based invasion \
         percolation with trapping at the same saturation. Both simulators have walls on the left and right. IoU \
         (intersection over union) is the mean over the last four fifths of the frames. Mean and range over the \
         domains that did not diverge.\n\n\
         | contact angle | Ca | domains | IoU with percolation | saturation at breakthrough \
         |\n|---|---|---|---|---|\n",
    );
    let domains = domains();
    let mut lines = Vec::new();
    let mut shown = Vec::new();
    for angle in ANGLES {
        let mut points = Vec::new();
        for capillary_number in CAPILLARY_NUMBERS {
            let outcomes: Vec<Option<Outcome>> =
                domains.par_iter().map(|domain| drain(domain, angle, capillary_number)).collect();
            let overlap: Vec<f64> = outcomes.iter().flatten().map(|outcome| outcome.overlap).collect();
            let saturation: Vec<f64> = outcomes.iter().flatten().map(|outcome| outcome.saturation).collect();
            writeln!(
                page,
                "| {angle}° | {capillary_number:.1e} | {} | {} | {} |",
                overlap.len(),
                spread(&overlap),
                spread(&saturation)
            )?;
            points.push((capillary_number.log10(), mean(&overlap)));
            println!("{angle} {capillary_number:.1e} {}", spread(&overlap));
            if angle == ANGLES[0] {
                shown.push(outcomes);
            }
        }
        lines.push(Line::marks(&format!("contact angle {angle}°"), points));
    }
    chart(folder, "ten-domains", "log₁₀ Ca", "IoU with percolation", &lines)?;
    // One domain throughout: the first that diverged nowhere.
    let first = (0..DOMAINS).find(|&domain| shown.iter().all(|outcomes| outcomes[domain].is_some()));
    let first = first.ok_or("every domain diverged at some rate")?;
    let mut quasi_static = None;
    let mut cells = Vec::new();
    for outcome in shown.into_iter().filter_map(|mut outcomes| outcomes.swap_remove(first)) {
        let [dynamic, percolation] = outcome.cells;
        cells.push(dynamic);
        quasi_static = Some(percolation);
    }
    cells.extend(quasi_static);
    mosaic(folder, "ten-domains-frames", &cells, cells.len(), 4)?;
    page.push_str(
        "\n![IoU against Ca](ten-domains.png)\n\nOne domain at breakthrough (45°) and, last, percolation at the \
         saturation of the lowest Ca, or at its final saturation if trapping stops it earlier:\n\n![Grains dark, \
         invading fluid blue](ten-domains-frames.png)\n",
    );
    std::fs::write(folder.join("percolation-limit.md"), page)?;
    Ok(())
}

/// The first domains of a sequence of seeds that are wide enough everywhere for the interface.
fn domains() -> Vec<Domain> {
    let pack = DiscPackConfig {
        porosity: 0.65,
        grain_radius_std: 1.5,
        min_gap: 5.5,
        buffer: 4,
        ..Default::default()
    };
    let is_usable = |domain: &Domain| {
        Units::new(domain, Side::Top, &FluidPair::default(), &settings(CAPILLARY_NUMBERS[0])).is_ok()
    };
    let domain = |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        DomainConfig::DiscPack(pack).generate(SHAPE, 35e-6, Side::Top, &mut rng).ok()
    };
    (0..).filter_map(domain).filter(is_usable).take(DOMAINS).collect()
}

fn settings(capillary_number: f64) -> LatticeBoltzmannConfig {
    LatticeBoltzmannConfig {
        injection: Injection::CapillaryNumber(capillary_number),
        viscosity_ratio: Some(1.0),
        ..LatticeBoltzmannConfig::default()
    }
}

fn drain(domain: &Domain, contact_angle_deg: f64, capillary_number: f64) -> Option<Outcome> {
    let config = settings(capillary_number);
    let fluids = FluidPair { contact_angle_deg, ..FluidPair::default() };
    // A domain can diverge at the lowest rates; the page says how many did.
    let trajectory = simulate(domain, Side::Top, &fluids, &config, 0)
        .inspect_err(|error| println!("Ca {capillary_number:.1e}: {error}"))
        .ok()?
        .trajectory;
    let saturation = trajectory.saturation();
    let frames =
        at_saturations(domain, Side::Top, Sides::Walls, None, &saturation).expect("the shapes agree");
    let overlap = cases::agreement(&trajectory, &frames);
    let quasi_static = Cell {
        title: "percolation".to_owned(),
        solid: domain.solid.clone(),
        invaded: frames.into_iter().next_back().expect("there are frames"),
    };
    Some(Outcome {
        overlap,
        saturation: saturation.last().copied().unwrap_or(f64::NAN),
        cells: [Cell::last(format!("Ca {capillary_number:.0e}"), &trajectory), quasi_static],
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn spread(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{:.3} (from {low:.3} to {high:.3})", mean(values))
}
