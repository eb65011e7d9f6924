//! What must hold for every drainage by invasion percolation, on random domains of every kind.

use ndarray::{Array2, Axis};
use porecast_simulations::domain::{
    DiscPackConfig, JitteredLatticeConfig, Lattice, RandomFieldConfig, connectivity,
};
use porecast_simulations::percolation::{self, AfterBreakthrough, Invasion, PercolationConfig, Sides, Until};
use porecast_simulations::{Domain, DomainConfig, ErrorKind, FluidPair, Side, TimeUnit, Trajectory};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Top), Just(Side::Bottom), Just(Side::Left), Just(Side::Right)]
}

fn generator() -> impl Strategy<Value = DomainConfig> {
    let disc_pack = (0.5..0.9, 2.0..6.0, 0.0..2.0, 0.0..2.0, 0usize..4).prop_map(
        |(porosity, grain_radius, grain_radius_std, min_gap, buffer)| {
            DomainConfig::DiscPack(DiscPackConfig {
                porosity,
                grain_radius,
                grain_radius_std,
                min_gap,
                buffer,
            })
        },
    );
    let lattice = (any::<bool>(), 8.0..14.0, 2.0..4.0, 0.0..1.0, 0.0..0.2, 0usize..4).prop_map(
        |(square, spacing, grain_radius, grain_radius_std, jitter, buffer)| {
            let lattice = if square { Lattice::Square } else { Lattice::Triangular };
            DomainConfig::JitteredLattice(JitteredLatticeConfig {
                lattice,
                spacing,
                grain_radius,
                grain_radius_std,
                jitter,
                buffer,
            })
        },
    );
    let field = (0.6..0.95, 0.0..4.0, 0usize..4).prop_map(|(porosity, correlation_length, buffer)| {
        DomainConfig::RandomField(RandomFieldConfig { porosity, correlation_length, buffer })
    });
    prop_oneof![disc_pack, lattice, field]
}

/// A percolating domain and its inlet.
fn domain() -> impl Strategy<Value = (Domain, Side)> {
    (generator(), 24usize..60, 24usize..60, side(), any::<u64>()).prop_filter_map(
        "does not percolate",
        |(config, height, width, inlet, seed)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            Some((config.generate((height, width), 1e-5, inlet, &mut rng).ok()?, inlet))
        },
    )
}

/// Independent pixels: isolated pores, dead ends, ties, and often no percolation at all.
fn noise() -> impl Strategy<Value = (Domain, Side)> {
    (1usize..20, 1usize..20, 0.0..0.5, side(), any::<u64>()).prop_map(
        |(height, width, solid_share, inlet, seed)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let solid = Array2::from_shape_simple_fn((height, width), || rng.random::<f64>() < solid_share);
            (Domain { solid, voxel_size_m: 1e-5 }, inlet)
        },
    )
}

fn config() -> impl Strategy<Value = PercolationConfig> {
    let until = prop_oneof![Just(Until::Breakthrough), (0.1..1.5).prop_map(Until::PoreVolumes)];
    (2usize..40, until, any::<bool>(), any::<bool>()).prop_map(|(frames, until, hold, trapping)| {
        let after_breakthrough = if hold { AfterBreakthrough::Hold } else { AfterBreakthrough::Continue };
        PercolationConfig { frames, until, after_breakthrough, trapping, injection_rate_m2_per_s: None }
    })
}

fn simulate(domain: &Domain, inlet: Side, config: &PercolationConfig) -> Trajectory {
    percolation::simulate(domain, inlet, &FluidPair::default(), config, 1).unwrap()
}

fn invasion(domain: &Domain, inlet: Side, trapping: bool) -> Invasion {
    let invasion = percolation::invade(domain, inlet);
    if trapping { invasion.with_trapping(inlet.opposite()) } else { invasion }
}

/// The pixels of `mask` joined to `edge` through pixels of the mask that share an edge.
fn flood(mask: &Array2<bool>, edge: Side) -> Array2<bool> {
    let (height, width) = mask.dim();
    let mut reached = Array2::from_elem(mask.dim(), false);
    edge.band_mut(&mut reached, 1).fill(true);
    reached.zip_mut_with(mask, |reached, &inside| *reached &= inside);
    loop {
        let before = reached.clone();
        for y in 0..height {
            for x in 0..width {
                let near = [(y.wrapping_sub(1), x), (y + 1, x), (y, x.wrapping_sub(1)), (y, x + 1)];
                if mask[[y, x]] && near.iter().any(|&pixel| reached.get(pixel) == Some(&true)) {
                    reached[[y, x]] = true;
                }
            }
        }
        if reached == before {
            return reached;
        }
    }
}

/// Invasion percolation as the definition reads: search all accessible pixels for the widest, insert discs
/// pixel by pixel; trapping by flooding the defending fluid from the outlet before every step.
fn slow_sequence(domain: &Domain, inlet: Side, trapping: bool) -> Array2<Option<u32>> {
    let (height, width) = domain.shape();
    let solids: Vec<(usize, usize)> =
        domain.solid.indexed_iter().filter(|&(_, &solid)| solid).map(|(pixel, _)| pixel).collect();
    let squared =
        |(y, x): (usize, usize), (v, u): (usize, usize)| y.abs_diff(v).pow(2) + x.abs_diff(u).pow(2);
    let distance = Array2::from_shape_fn((height, width), |pixel| {
        solids.iter().map(|&solid| squared(pixel, solid)).min().unwrap_or((height + width).pow(2))
    });
    let mut accessible = Array2::from_elem((height, width), false);
    inlet.band_mut(&mut accessible, 1).fill(true);
    accessible.zip_mut_with(&domain.solid, |accessible, &solid| *accessible &= !solid);
    let mut visited = Array2::from_elem((height, width), false);
    let mut steps: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut sequence = Array2::from_elem((height, width), None);
    loop {
        let open = |pixel: (usize, usize)| accessible[pixel] && !visited[pixel];
        let pixels = || ndarray::indices((height, width)).into_iter().filter(|&pixel| open(pixel));
        let Some(widest) = pixels().map(|pixel| distance[pixel]).max() else {
            break;
        };
        let batch: Vec<_> = pixels().filter(|&pixel| distance[pixel] == widest).collect();
        let mut step = Vec::new();
        for &(y, x) in &batch {
            visited[[y, x]] = true;
            let radius = widest.isqrt();
            for pixel in ndarray::indices((height, width)) {
                if squared(pixel, (y, x)) < radius * radius && sequence[pixel].is_none() {
                    sequence[pixel] = Some(steps.len() as u32 + 1);
                    step.push(pixel);
                }
            }
            for near in [(y.wrapping_sub(1), x), (y + 1, x), (y, x.wrapping_sub(1)), (y, x + 1)] {
                if domain.solid.get(near) == Some(&false) {
                    accessible[near] = true;
                }
            }
        }
        if !step.is_empty() {
            steps.push(step);
        }
    }
    if !trapping {
        return sequence;
    }
    let mut rank = 0;
    let free = sequence.clone();
    for (index, step) in steps.iter().enumerate() {
        let defending = Array2::from_shape_fn((height, width), |pixel| {
            !domain.solid[pixel] && free[pixel].is_none_or(|other| other > index as u32)
        });
        let escapes = flood(&defending, inlet.opposite());
        rank += u32::from(step.iter().any(|&pixel| escapes[pixel]));
        for &pixel in step {
            sequence[pixel] = escapes[pixel].then_some(rank);
        }
    }
    sequence
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn sequence_equals_the_slow_reference((domain, inlet) in noise(), trapping: bool) {
        let sequence = invasion(&domain, inlet, trapping).invasion_sequence();
        prop_assert_eq!(sequence, slow_sequence(&domain, inlet, trapping));
    }

    #[test]
    fn invaded_set_is_connected_to_the_inlet_in_every_frame((domain, inlet) in domain(), config in config()) {
        for frame in simulate(&domain, inlet, &config).phase.axis_iter(Axis(0)) {
            let frame = frame.to_owned();
            prop_assert_eq!(flood(&frame, inlet), frame);
        }
    }

    #[test]
    fn invasion_never_retreats_and_never_enters_solid((domain, inlet) in domain(), config in config()) {
        let trajectory = simulate(&domain, inlet, &config);
        for frame in trajectory.phase.axis_iter(Axis(0)) {
            prop_assert!(!frame.iter().zip(&domain.solid).any(|(&invaded, &solid)| invaded && solid));
        }
        for (before, after) in trajectory.phase.axis_iter(Axis(0)).zip(trajectory.phase.axis_iter(Axis(0)).skip(1)) {
            prop_assert!(before.iter().zip(&after).all(|(&before, &after)| after || !before));
        }
    }

    #[test]
    fn saturation_is_the_injected_volume_to_within_one_insertion((domain, inlet) in domain(), config in config()) {
        let trajectory = simulate(&domain, inlet, &config);
        let invasion = invasion(&domain, inlet, config.trapping);
        let largest = (1..=invasion.steps()).map(|step| invasion.invaded_after(step) - invasion.invaded_after(step - 1));
        let insertion = largest.max().unwrap() as f64 / domain.pore_count() as f64;
        // Afterwards the field stands still, or nothing accessible is left.
        let last_step = match config.after_breakthrough {
            AfterBreakthrough::Hold => invasion.breakthrough_step(inlet.opposite()).unwrap(),
            AfterBreakthrough::Continue => invasion.steps(),
        };
        let limit = invasion.invaded_after(last_step) as f64 / domain.pore_count() as f64;
        prop_assert_eq!(trajectory.times[0], 0.0);
        prop_assert_eq!(trajectory.saturation()[0], 0.0);
        for (&time, saturation) in trajectory.times.iter().zip(trajectory.saturation()) {
            let injected = time.min(limit);
            prop_assert!(saturation <= injected + 1e-9 && saturation > injected - insertion - 1e-9);
        }
    }

    #[test]
    fn last_frame_until_breakthrough_is_the_first_at_the_outlet((domain, inlet) in domain(), frames in 2usize..30) {
        let config = PercolationConfig { frames, ..PercolationConfig::default() };
        let trajectory = simulate(&domain, inlet, &config);
        prop_assert_eq!(trajectory.breakthrough_time(), trajectory.times.last().copied());
        let saturation = trajectory.saturation();
        prop_assert!((saturation[frames - 1] - trajectory.times[frames - 1]).abs() < 1e-12);
    }

    #[test]
    fn trapped_clusters_have_no_path_to_the_outlet((domain, inlet) in domain()) {
        let invasion = invasion(&domain, inlet, true);
        let last = invasion.phase_after(invasion.steps());
        let defending = domain.pore_space() & last.map(|&invaded| !invaded);
        // What is left could have been reached and yet was not: the outlet edge itself is invaded.
        let reachable = connectivity::reachable(&domain, inlet);
        let left = defending & reachable;
        let escapes = flood(&left, inlet.opposite());
        prop_assert!(!escapes.iter().any(|&escapes| escapes));
    }

    #[test]
    fn same_input_gives_the_same_bytes((domain, inlet) in domain(), config in config()) {
        let (first, second) = (simulate(&domain, inlet, &config), simulate(&domain, inlet, &config));
        prop_assert_eq!(first.phase, second.phase);
        prop_assert_eq!(first.times, second.times);
    }

    #[test]
    fn same_seed_gives_the_same_domain(config in generator(), inlet in side(), seed: u64) {
        let generate = || config.generate((40, 50), 1e-5, inlet, &mut ChaCha8Rng::seed_from_u64(seed)).ok();
        prop_assert_eq!(generate(), generate());
    }

    #[test]
    fn an_invasion_goes_on_from_any_of_its_own_frames((domain, inlet) in domain(), share in 0.0..0.5) {
        let whole = percolation::invade(&domain, inlet);
        let initial = whole.phase_after((share * whole.steps() as f64) as usize);
        let rest = percolation::invade_from(&domain, &initial, inlet).unwrap();
        prop_assert_eq!(rest.phase_after(0), initial.clone());
        let clusters = connectivity::clusters(&domain.pore_space()).labels;
        let touched: Vec<u32> =
            clusters.iter().zip(&initial).filter_map(|(&label, &present)| label.filter(|_| present)).collect();
        let last = rest.phase_after(rest.steps());
        for ((pixel, &invaded), label) in whole.phase_after(whole.steps()).indexed_iter().zip(&clusters) {
            let goes_on = touched.is_empty() || label.is_some_and(|label| touched.contains(&label));
            prop_assert_eq!(last[pixel], invaded && goes_on);
        }
        for steps in 0..rest.steps() {
            prop_assert!(rest.invaded_after(steps) < rest.invaded_after(steps + 1));
        }
    }

    #[test]
    fn states_at_given_saturations_are_the_nearest((domain, inlet) in domain(), wanted in 0.0..1.0) {
        let invasion = invasion(&domain, inlet, true);
        let state = &percolation::at_saturations(&domain, inlet, Sides::Open, None, &[wanted]).unwrap()[0];
        let pixels = wanted * domain.pore_count() as f64;
        let count = state.iter().filter(|&&invaded| invaded).count() as f64;
        for steps in 0..=invasion.steps() {
            prop_assert!((count - pixels).abs() <= (invasion.invaded_after(steps) as f64 - pixels).abs());
        }
    }
}

/// A corridor from top to bottom with a wide pore in the middle.
fn corridor() -> Domain {
    let solid =
        Array2::from_shape_fn((9, 7), |(y, x)| !(x == 3 || (3..6).contains(&y) && (2..5).contains(&x)));
    Domain { solid, voxel_size_m: 1e-3 }
}

#[test]
fn walls_at_the_sides_narrow_what_lies_along_them() {
    // A channel of four pixels along the left edge and one of five in the middle.
    let solid = Array2::from_shape_fn((20, 12), |(_, x)| x == 4 || x >= 10);
    let domain = Domain { solid, voxel_size_m: 1e-5 };
    let (left, middle) = ([10, 1], [10, 7]);
    for (sides, first, last) in [(Sides::Open, left, middle), (Sides::Walls, middle, left)] {
        let frame = &percolation::at_saturations(&domain, Side::Top, sides, None, &[0.5]).unwrap()[0];
        assert_eq!(frame.dim(), (20, 12));
        assert!(frame[first] && !frame[last], "{sides:?}");
        let from = Array2::from_shape_fn((20, 12), |(y, x)| y < 2 && x < 4);
        let on = &percolation::at_saturations(&domain, Side::Top, sides, Some(&from), &[0.4]).unwrap()[0];
        assert!(on[[1, 0]] && on[left] && !on[middle], "{sides:?}");
    }
}

#[test]
fn times_are_in_seconds_when_a_rate_is_given() {
    let config = PercolationConfig { injection_rate_m2_per_s: Some(1e-6), frames: 4, ..Default::default() };
    let trajectory = simulate(&corridor(), Side::Top, &config);
    assert_eq!(trajectory.time_unit, TimeUnit::Seconds);
    // Nine pixels lie on the way and the wide pore's corners on its rim: 15 pixels of 1 mm² at 1 mm²/s.
    let last = trajectory.times[3];
    let invaded = trajectory.saturation()[3] * 15.0;
    assert!((last - invaded).abs() < 1e-9, "{last} s for {invaded} pixels");
}

#[test]
fn field_stands_still_after_breakthrough_on_hold_only() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let domain = DomainConfig::DiscPack(DiscPackConfig::default())
        .generate((96, 64), 1e-5, Side::Top, &mut rng)
        .unwrap();
    let run = |after_breakthrough| {
        let until = Until::PoreVolumes(1.0);
        simulate(&domain, Side::Top, &PercolationConfig { until, after_breakthrough, ..Default::default() })
    };
    let (hold, on) = (run(AfterBreakthrough::Hold), run(AfterBreakthrough::Continue));
    let last = hold.times.len() - 1;
    assert!(hold.breakthrough_time().unwrap() < 1.0);
    assert!(hold.saturation()[last] < on.saturation()[last]);
    assert_eq!(hold.phase.index_axis(Axis(0), last), hold.phase.index_axis(Axis(0), last - 1));
}

#[test]
fn unusable_input_is_an_error() {
    let (config, fluids) = (PercolationConfig::default(), FluidPair::default());
    let mut closed = corridor();
    closed.solid[[7, 3]] = true;
    let refused = |domain: &Domain, fluids: &FluidPair, config: &PercolationConfig| {
        let error = percolation::simulate(domain, Side::Top, fluids, config, 0).unwrap_err();
        (error.kind(), error.to_string())
    };
    let (kind, text) = refused(&closed, &fluids, &config);
    assert_eq!(kind, ErrorKind::Simulation);
    assert_eq!(text, "the pore space has no path from the top edge to the bottom edge");
    let wetting = FluidPair { contact_angle_deg: 120.0, ..fluids };
    let (kind, text) = refused(&corridor(), &wetting, &config);
    assert!(kind == ErrorKind::Config && text.starts_with("contact_angle_deg = 120 is outside"), "{text}");
    let shapeless = Domain { voxel_size_m: f64::NAN, ..corridor() };
    assert_eq!(refused(&shapeless, &fluids, &config).1, "voxel_size_m = NaN is outside (0, inf)");
    let still = PercolationConfig { frames: 0, ..config };
    assert_eq!(refused(&corridor(), &fluids, &still).1, "frames: 0 is outside 2, 3, ...");
    let small = Array2::from_elem((2, 2), true);
    assert!(percolation::invade_from(&corridor(), &small, Side::Top).is_err());
    let nothing = Domain { solid: Array2::from_elem((0, 4), false), voxel_size_m: 1.0 };
    assert_eq!(percolation::invade(&nothing, Side::Left).steps(), 0);
}
