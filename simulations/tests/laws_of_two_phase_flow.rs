//! The lattice Boltzmann solver against the laws it has to follow. Every test prints its figure: `cargo test --
//! --nocapture`.

#[path = "../examples/validation/cases.rs"]
#[allow(dead_code, reason = "the example draws more than the tests check")]
mod cases;

use std::ops::ControlFlow;

use cases::{DropOf, Walls};
use ndarray::Array2;
use porecast_simulations::lattice_boltzmann::{
    self, End, Ends, Injection, LatticeBoltzmannConfig, LatticeFluids, Precision, TwoPhase, Underway,
    Wettability,
};
use porecast_simulations::percolation::Until;
use porecast_simulations::{Domain, ErrorKind, FluidPair, Side};

#[test]
fn mass_of_each_fluid_is_kept_in_a_closed_box() {
    let single = cases::mass_drift::<f32>(10_000);
    let double = cases::mass_drift::<f64>(2_000);
    println!("mass drift: f32, 10 000 steps {:.1e} and {:.1e}", single[0], single[1]);
    println!("mass drift: f64, 2 000 steps {:.1e} and {:.1e}", double[0], double[1]);
    assert!(single.iter().all(|drift| drift.abs() < 1e-6), "{single:?}");
    assert!(double.iter().all(|drift| drift.abs() < 1e-12), "{double:?}");
}

#[test]
fn pressure_jumps_by_tension_over_radius_and_spurious_currents_are_small() {
    for radius in [10.0, 14.0, 20.0, 28.0] {
        let drop = cases::drop_at_rest::<f32>(radius, 0.1, 12_000);
        let ratio = drop.jump * drop.radius / drop.surface_tension;
        println!("Laplace: R {:.2}, Δp R/σ = {ratio:.4}; largest speed {:.1e}", drop.radius, drop.max_speed);
        assert!((ratio - 1.0).abs() < 0.02, "{ratio}");
        assert!(drop.max_speed < 1e-4, "{}", drop.max_speed);
    }
}

#[test]
fn layers_of_two_viscosities_flow_as_stokes_says() {
    for ratio in [1.0, 10.0, 100.0] {
        let error = cases::layered_poiseuille::<f32>(64, ratio).error();
        println!("layered Poiseuille: M = {ratio}, L2 error {error:.4}");
        assert!(error < 0.02, "{error}");
    }
}

const ANGLES: [f64; 5] = [30.0, 60.0, 90.0, 120.0, 150.0];

#[test]
fn drops_meet_a_flat_wall_at_the_contact_angle() {
    for (angle, drop) in
        ANGLES.into_iter().flat_map(|angle| [(angle, DropOf::Defending), (angle, DropOf::Invading)])
    {
        let found = cases::drop_on_floor::<f32>(angle, drop, 20.0, 20_000);
        println!(
            "contact angle on a floor, {drop:?} drop: {angle}° set, {:.1}° found; largest speed {:.1e}",
            found.angle_deg, found.max_speed
        );
        assert!((found.angle_deg - angle).abs() < 3.0, "{angle}: {}", found.angle_deg);
    }
}

#[test]
fn drops_meet_a_round_grain_at_the_contact_angle() {
    for (angle, drop) in
        ANGLES.into_iter().flat_map(|angle| [(angle, DropOf::Defending), (angle, DropOf::Invading)])
    {
        let found = cases::drop_on_grain::<f32>(angle, drop, 20.3, 20.0, 15_000);
        println!(
            "contact angle on a grain, {drop:?} drop: {angle}° set, {:.1}° found; largest speed {:.1e}",
            found.angle_deg, found.max_speed
        );
        assert!((found.angle_deg - angle).abs() < 3.0, "{angle}: {}", found.angle_deg);
    }
}

#[test]
fn a_capillary_fills_as_lucas_and_washburn_say() {
    for angle in [30.0, 60.0] {
        let filling = cases::capillary_filling::<f32>(16, 300, angle, 60_000);
        let ratio = filling.slope / filling.exact;
        println!("capillary filling: {angle}°, slope over exact {ratio:.4}");
        assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
    }
}

#[test]
fn one_fluid_flows_to_second_order() {
    for width in [8, 16, 32] {
        let error = cases::poiseuille::<f64>(width, 0.1).error();
        println!("Poiseuille: width {width}, L2 error {error:.1e}");
        assert!(error < 1e-10, "{error}");
    }
    let error = cases::poiseuille::<f32>(16, 0.1).error();
    println!("Poiseuille: width 16 in f32, L2 error {error:.1e}");
    assert!(error < 1e-4, "{error}");
    let errors = [8, 16, 32].map(|width| cases::starting_poiseuille::<f64>(width, 0.1).error());
    println!(
        "starting Poiseuille: widths 8, 16, 32, L2 errors {:.1e} {:.1e} {:.1e}",
        errors[0], errors[1], errors[2]
    );
    for pair in errors.windows(2) {
        let order = (pair[0] / pair[1]).log2();
        println!("starting Poiseuille: order {order:.2}");
        assert!(order > 1.8, "{order}");
    }
}

#[test]
fn grains_let_through_what_sangani_and_acrivos_computed() {
    let errors = [12, 24, 48].map(|period| cases::permeability_error::<f64>(period, Walls::Round, 1.0 / 6.0));
    let order = (errors[0] / errors[2]).log2() / 2.0;
    println!("permeability of round grains: periods 12, 24, 48, errors {errors:.4?}, order {order:.2}");
    assert!(order > 1.8 && errors[2] < 0.01, "{order}");
    let staircase = cases::permeability_error::<f64>(48, Walls::Staircase, 1.0 / 6.0);
    println!("permeability of grains as staircases: period 48, error {staircase:.4}");
    assert!(staircase < 0.04, "{staircase}");
    let [thin, thick] =
        [1.0 / 6.0, 0.5].map(|viscosity| cases::permeability::<f64>(16, 0.0, Walls::Staircase, viscosity));
    println!("permeability at ν = 1/6 and 1/2: {thin:.6}, {thick:.6}");
    assert!((thick / thin - 1.0).abs() < 0.03);
}

#[test]
fn regimes_are_ordered_as_lenormand_found_and_low_rates_come_near_percolation() {
    let regimes = cases::regimes(
        (128, 64),
        &[
            ("viscous fingering", 0.05, 0.05),
            ("capillary fingering", 1e-3, 0.2),
            ("stable displacement", 2e-2, 10.0),
        ],
    );
    let [viscous, capillary, stable] = &regimes[..] else { panic!("three were asked for") };
    let last = |regime: &cases::Regime| *regime.drainage.trajectory.saturation().last().unwrap();
    for regime in &regimes {
        println!(
            "{}: Ca {:.0e}, M {}: saturation {:.3}, border per area {:.3}, IoU with percolation {:.3}, \
            mass drift {:.1e}",
            regime.name,
            regime.capillary_number,
            regime.viscosity_ratio,
            last(regime),
            cases::raggedness(&regime.drainage.trajectory),
            regime.agreement_with_percolation,
            regime.drainage.mass_drift,
        );
    }
    assert!(last(stable) > last(capillary) + 0.1 && last(capillary) > last(viscous));
    assert!(
        cases::raggedness(&stable.drainage.trajectory) < cases::raggedness(&capillary.drainage.trajectory)
    );
    assert!(capillary.agreement_with_percolation > viscous.agreement_with_percolation);
    assert!(capillary.agreement_with_percolation > 0.65);
    assert!(regimes.iter().all(|regime| regime.drainage.mass_drift.abs() < 1e-3));
}

fn small_domain() -> Domain {
    let grains = [(10.0, 6.0), (22.0, 18.0), (12.0, 27.0), (34.0, 5.0), (36.0, 26.0)]
        .map(|(y, x)| cases::Disc { y, x, radius: 5.2 });
    let solid = Array2::from_shape_fn((44, 32), |(y, x)| grains.iter().any(|grain| grain.contains(y, x)));
    Domain { solid, voxel_size_m: 1e-5 }
}

fn quick() -> LatticeBoltzmannConfig {
    LatticeBoltzmannConfig {
        injection: Injection::CapillaryNumber(0.02),
        viscosity_ratio: Some(0.1),
        frames: 9,
        ..Default::default()
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let solid = small_domain().solid;
    let invading = Array2::from_shape_fn(solid.dim(), |(y, _)| y < 20);
    let ends = Ends::Between { top: End::Velocity(2e-3), bottom: End::Density(0.0) };
    let wettability = Wettability { contact_angle_deg: 45.0, neutral_rows: 0 };
    let fields = [1, 2, 3].map(|threads| {
        let mut flow = TwoPhase::<f32>::new(&solid, &invading, ends, wettability, LatticeFluids::default())
            .with_threads(threads);
        cases::advance(&mut flow, 500);
        (flow.invading_share(), flow.density_excess(), flow.velocity())
    });
    assert_eq!(fields[0], fields[1]);
    assert_eq!(fields[0], fields[2]);
}

#[test]
fn a_stopped_simulation_goes_on_bit_for_bit() {
    let (domain, fluids) = (small_domain(), FluidPair::default());
    for (until, keep_flow) in [(Until::Breakthrough, false), (Until::PoreVolumes(0.5), true)] {
        let config = LatticeBoltzmannConfig { until, keep_flow, ..quick() };
        let whole = lattice_boltzmann::simulate(&domain, Side::Left, &fluids, &config, 3).unwrap();
        let run = |from: Option<&[u8]>, watch: &mut dyn FnMut(&Underway) -> ControlFlow<()>| {
            lattice_boltzmann::simulate_resumable(&domain, Side::Left, &fluids, &config, 3, from, watch)
        };
        // Stopped after every 650 steps, which is not where samples are taken.
        let mut saved: Vec<Vec<u8>> = Vec::new();
        let resumed = loop {
            let from = saved.last().cloned();
            let stop = 650 * (saved.len() as u64 + 1);
            let result = run(from.as_deref(), &mut |underway| {
                if underway.steps() < stop {
                    return ControlFlow::Continue(());
                }
                saved.push(underway.state());
                ControlFlow::Break(())
            });
            match result {
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    assert!(error.what().ends_with(&format!("step {stop}")), "{error}");
                }
                finished => break finished.unwrap(),
            }
        };
        assert!(saved.len() >= 2, "{} stops in {} steps", saved.len(), whole.steps);
        assert_eq!(resumed.trajectory.phase, whole.trajectory.phase);
        assert_eq!(resumed.trajectory.times, whole.trajectory.times);
        assert_eq!((resumed.volumes, resumed.steps), (whole.volumes, whole.steps));
        assert_eq!(resumed.mass_drift.to_bits(), whole.mass_drift.to_bits());
        assert_eq!(resumed.flow, whole.flow);

        let nothing: &mut dyn FnMut(&Underway) -> ControlFlow<()> = &mut |_| ControlFlow::Continue(());
        let mut damaged = saved[0].clone();
        *damaged.last_mut().unwrap() ^= 1;
        let mut refused = |bytes: &[u8]| run(Some(bytes), nothing).unwrap_err().kind();
        assert_eq!(refused(&damaged), ErrorKind::SavedState);
        assert_eq!(refused(&saved[0][..100]), ErrorKind::SavedState);
    }
}

#[test]
fn a_diverging_simulation_is_noticed_and_named() {
    let solid = small_domain().solid;
    let invading = Array2::from_shape_fn(solid.dim(), |(y, _)| y < 20);
    let fluids = LatticeFluids {
        viscosity_invading: 1e-5,
        viscosity_defending: 1e-5,
        surface_tension: 0.5,
        ..LatticeFluids::default()
    };
    let ends = Ends::Between { top: End::Velocity(0.2), bottom: End::Density(0.0) };
    let mut flow = TwoPhase::<f32>::new(&solid, &invading, ends, cases::NEUTRAL, fluids);
    let mut first_impossible = None;
    let noticed = (1..5000).find(|step| {
        flow.step();
        if first_impossible.is_none() && !flow.density_excess().sum().is_finite() {
            first_impossible = Some(*step);
        }
        step % 50 == 0 && flow.check().is_err()
    });
    let noticed = noticed.expect("such a flow cannot go well");
    println!("divergence: noticed after step {noticed}, first NaN {first_impossible:?}");
    assert!(first_impossible.is_none_or(|first| noticed - first < 100));
    let message = flow.check().unwrap_err().to_string();
    assert!(message.contains("diverged") && message.contains("density"), "{message}");
}

#[test]
fn single_precision_gives_the_sequence_of_double_precision() {
    let (domain, fluids) = (small_domain(), FluidPair::default());
    let run = |precision| {
        let config = LatticeBoltzmannConfig { precision, ..quick() };
        lattice_boltzmann::simulate(&domain, Side::Top, &fluids, &config, 0).unwrap()
    };
    let (single, double) = (run(Precision::Single), run(Precision::Double));
    let frames = single.trajectory.phase.outer_iter().zip(double.trajectory.phase.outer_iter()).skip(1);
    let worst = frames.map(|(a, b)| cases::overlap(a, b)).fold(1.0, f64::min);
    println!(
        "f32 against f64: worst IoU of a frame {worst:.4}, saturations {:.4?} and {:.4?}",
        single.trajectory.saturation(),
        double.trajectory.saturation()
    );
    assert!(worst > 0.98, "{worst}");
}

#[test]
fn a_drainage_keeps_its_promises_from_every_side() {
    let (domain, fluids) = (small_domain(), FluidPair::default());
    for inlet in [Side::Top, Side::Bottom, Side::Left, Side::Right] {
        let config = LatticeBoltzmannConfig { until: Until::PoreVolumes(0.3), keep_flow: true, ..quick() };
        let drainage = lattice_boltzmann::simulate(&domain, inlet, &fluids, &config, 5).unwrap();
        let trajectory = &drainage.trajectory;
        let saturation = trajectory.saturation();
        assert_eq!((trajectory.times.len(), saturation[0]), (9, 0.0));
        assert_eq!(trajectory.parameters.seed, 5);
        assert!((trajectory.times[8] - 0.3).abs() < 1e-3, "{}", trajectory.times[8]);
        for (frame, volumes) in trajectory.phase.outer_iter().zip(&drainage.volumes) {
            assert!(frame.iter().zip(&domain.solid).all(|(&invaded, &solid)| !(invaded && solid)));
            assert!((volumes[0] + volumes[1] - domain.pore_count() as f64).abs() < 1e-6);
        }
        // All mass that is injected is inside; its volume lags by what compresses the fluids, here in reservoirs
        // that are nearly as large as the domain.
        assert!(drainage.mass_drift.abs() < 1e-4, "{}", drainage.mass_drift);
        let inside = drainage.volumes[8][0] / domain.pore_count() as f64;
        println!("from the {inlet}: {inside:.4} pore volumes inside of {:.4} injected", trajectory.times[8]);
        assert!((inside - 0.3).abs() < 0.03, "{inside}");
        let flow = drainage.flow.expect("it was asked for");
        assert_eq!((flow.pressure_pa.len(), flow.pressure_pa[8].dim()), (9, (44, 32)));
        // The mean velocity points away from the inlet.
        let (y, x) = (flow.velocity_y_m_per_s[8].sum(), flow.velocity_x_m_per_s[8].sum());
        let forward = match inlet {
            Side::Top => y,
            Side::Bottom => -y,
            Side::Left => x,
            Side::Right => -x,
        };
        assert!(forward > 0.0 && forward > y.abs().min(x.abs()));
        let lane = |image: &Array2<f32>, side: Side| side.lane(image.view()).iter().sum::<f32>();
        assert!(lane(&flow.pressure_pa[8], inlet) > lane(&flow.pressure_pa[8], inlet.opposite()));
    }
}
