//! Measures the lattice Boltzmann solver against known flows and writes figures and a page about it.
//!
//!     cargo run --release -p porecast-simulations --example validation [-- FOLDER]
//!
//! The folder is `docs/validation` unless given. It takes some minutes.

#[allow(dead_code, reason = "the tests check more than the example draws")]
mod cases;
mod figures;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use cases::{DropOf, Walls};
use figures::{Cell, Line, chart, mosaic};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/validation");
    let folder = std::env::args().nth(1).map_or(root, PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let mut page = String::from(
        "# Validation of the lattice Boltzmann solver\n\n\
         Written by `cargo run --release -p porecast-simulations --example validation`; that run measured every \
         number and figure. `simulations/README.md` describes the model. Single precision unless stated; lattice \
         units.\n",
    );
    let sections: [fn(&Path, &mut String) -> Result; 8] =
        [mass, laplace, layers, angles, filling, single_phase, regimes, percolation];
    for section in sections {
        section(&folder, &mut page)?;
    }
    page.push_str(
        "\n## Further comparisons\n\nThe example `cross_checks` compares the solver with percolation on ten \
         domains at falling Ca ([percolation-limit.md](percolation-limit.md)) and, if its labels are given, with \
         a published sequence ([published-sequence.md](published-sequence.md)).\n",
    );
    std::fs::write(folder.join("README.md"), page)?;
    Ok(())
}

fn mass(_: &Path, page: &mut String) -> Result {
    let single = cases::mass_drift::<f32>(10_000);
    let double = cases::mass_drift::<f64>(10_000);
    write!(
        page,
        "\n## Mass in a closed box\n\nA drop spreads between wetted grains for 10⁴ steps: relative drift of the \
         mass of each fluid.\n\n\
         | | invading | defending |\n|---|---|---|\n| f32 | {:.1e} | {:.1e} |\n| f64 | {:.1e} | {:.1e} |\n",
        single[0], single[1], double[0], double[1]
    )?;
    Ok(())
}

fn laplace(folder: &Path, page: &mut String) -> Result {
    page.push_str(
        "\n## Laplace pressure and spurious currents\n\nA drop in a box; R is the radius of the circle with the \
         area of the drop. σ = 0.01, viscosity ratio 0.1, defending viscosity 1/6.\n\n\
         | R | Δp R/σ | largest speed | capillary number of that speed |\n|---|---|---|---|\n",
    );
    let mut points = Vec::new();
    for radius in [6.0, 8.0, 10.0, 14.0, 20.0, 28.0, 40.0] {
        let drop = cases::drop_at_rest::<f32>(radius, 0.1, 20_000);
        points.push((1.0 / drop.radius, drop.jump / drop.surface_tension));
        writeln!(
            page,
            "| {:.2} | {:.4} | {:.1e} | {:.1e} |",
            drop.radius,
            drop.jump * drop.radius / drop.surface_tension,
            drop.max_speed,
            drop.max_speed / 6.0 / drop.surface_tension
        )?;
    }
    page.push_str("\n![Pressure jump against 1/R](laplace.png)\n");
    let exact = vec![(0.0, 0.0), (0.18, 0.18)];
    let lines = [Line::exact("σ/R", exact), Line::marks("measured", points)];
    chart(folder, "laplace", "1/R", "pressure jump over tension", &lines)
}

fn layers(folder: &Path, page: &mut String) -> Result {
    page.push_str(
        "\n## Layered Poiseuille flow\n\nThe invading fluid flows in the middle half of a channel of 64 sites, \
         the defending fluid along the walls. M is the invading over the defending viscosity. Relative L2 error \
         of the velocity profile.\n\n| M | f32 | f64 \
         |\n|---|---|---|\n",
    );
    let mut lines = Vec::new();
    for ratio in [1.0, 10.0, 100.0, 0.1, 0.01] {
        let profile = cases::layered_poiseuille::<f32>(64, ratio);
        let double = cases::layered_poiseuille::<f64>(64, ratio);
        writeln!(page, "| {ratio} | {:.4} | {:.4} |", profile.error(), double.error())?;
        if ratio >= 1.0 {
            let top = profile.exact.iter().copied().fold(0.0, f64::max);
            let scaled =
                |values: &[f64]| values.iter().enumerate().map(|(x, v)| (x as f64 + 0.5, v / top)).collect();
            lines.push(Line::exact("", scaled(&profile.exact)));
            lines.push(Line::marks(&format!("M = {ratio}"), scaled(&profile.measured)));
        }
    }
    page.push_str("\n![Profiles](layers.png)\n");
    chart(folder, "layers", "position across the channel", "velocity over the largest", &lines)
}

fn angles(folder: &Path, page: &mut String) -> Result {
    page.push_str(
        "\n## Static contact angle\n\nDrops on a flat floor (area of a half disc of radius 20) and on a round \
         grain (radius 30.3, drop radius 30), at rest after 20 000 steps. A circle is fitted to the contour \
         C = ½ away from the wall. Angles are measured through the defending fluid. A wetting drop has an angle \
         below 90° measured through the drop. A non-wetting drop hardly touches the wall, so its angle is sensitive to \
        tenths of a site.\n\n\
        | prescribed | floor, wetting drop | floor, non-wetting drop | grain, wetting drop | grain, non-wetting \
        drop | largest speed \
        |\n|---|---|---|---|---|---|\n",
    );
    let mut found: [Vec<(f64, f64)>; 4] = Default::default();
    for angle in [30.0, 45.0, 60.0, 90.0, 120.0, 135.0, 150.0] {
        let (wetting, other) = by_wetting(angle);
        let measured = [
            cases::drop_on_floor::<f32>(angle, wetting, 20.0, 20_000),
            cases::drop_on_floor::<f32>(angle, other, 20.0, 20_000),
            cases::drop_on_grain::<f32>(angle, wetting, 30.3, 30.0, 20_000),
            cases::drop_on_grain::<f32>(angle, other, 30.3, 30.0, 20_000),
        ];
        let fastest = measured.iter().map(|sessile| sessile.max_speed).fold(0.0, f64::max);
        let [a, b, c, d] = measured.map(|sessile| sessile.angle_deg);
        writeln!(page, "| {angle} | {a:.1} | {b:.1} | {c:.1} | {d:.1} | {fastest:.1e} |")?;
        for (points, measured) in found.iter_mut().zip([a, b, c, d]) {
            points.push((angle, measured));
        }
    }
    page.push_str(
        "\n![Measured against prescribed contact angle](angles.png)\n\nGrains of other radii, also with centres \
         between the sites; the drop has the rounded radius of the grain. Measured minus prescribed angle, \
         wetting and non-wetting drop:\n\n\
        | radius | 30° | 45° | 60° | 90° |\n|---|---|---|---|---|\n",
    );
    for radius in [8.0_f64, 12.4, 20.3, 29.7, 30.0, 30.5, 45.0] {
        write!(page, "| {radius} |")?;
        for angle in [30.0, 45.0, 60.0, 90.0] {
            let (wetting, other) = by_wetting(angle);
            let miss = [wetting, other].map(|drop| {
                cases::drop_on_grain::<f32>(angle, drop, radius, radius.round(), 20_000).angle_deg - angle
            });
            write!(page, " {:+.1}, {:+.1} |", miss[0], miss[1])?;
        }
        page.push('\n');
    }
    let mut lines = vec![Line::exact("as set", vec![(20.0, 20.0), (160.0, 160.0)])];
    let labels = ["floor, wetting", "floor, other", "grain, wetting", "grain, other"];
    lines.extend(found.into_iter().zip(labels).map(|(points, label)| Line::marks(label, points)));
    chart(folder, "angles", "contact angle set", "contact angle found", &lines)
}

/// The drop that wets at an angle through the defending fluid, and the other.
fn by_wetting(angle: f64) -> (DropOf, DropOf) {
    if angle < 90.0 { (DropOf::Defending, DropOf::Invading) } else { (DropOf::Invading, DropOf::Defending) }
}

fn filling(folder: &Path, page: &mut String) -> Result {
    page.push_str(
        "\n## Capillary filling\n\nA wetting fluid imbibes into a channel of 16 × 400 sites and displaces a \
         fluid 20 times less viscous. The Lucas-Washburn law with both viscosities: ½(μ_i - μ_d)x² + μ_d L x = \
         (σ w cos θ/6) t.\n\n\
         | θ | measured over exact slope |\n|---|---|\n",
    );
    let mut lines = Vec::new();
    for angle in [0.0, 30.0, 45.0, 60.0] {
        let filling = cases::capillary_filling::<f32>(16, 400, angle, 80_000);
        writeln!(page, "| {angle} | {:.4} |", filling.slope / filling.exact)?;
        let squares = filling.positions.iter().map(|&(t, x)| (t / 1e3, x * x / 1e3)).collect();
        lines.push(Line::marks(&format!("{angle}°"), squares));
    }
    page.push_str("\n![Length squared against time](filling.png)\n");
    chart(folder, "filling", "time in 1000 steps", "length filled, squared, in 1000 sites²", &lines)
}

fn single_phase(folder: &Path, page: &mut String) -> Result {
    page.push_str(
        "\n## One fluid\n\nPoiseuille flow in f64, steady and at t = 0.1 w²/ν after its start: relative L2 \
         error. The steady profile is exact except for rounding, because the relaxation rates put the wall \
         half-way at any viscosity.\n\n\
         | width | steady | starting | order |\n|---|---|---|---|\n",
    );
    let mut errors: Vec<(f64, f64)> = Vec::new();
    for width in [8, 16, 32, 64] {
        let steady = cases::poiseuille::<f64>(width, 0.1).error();
        let starting = cases::starting_poiseuille::<f64>(width, 0.1).error();
        errors.push((width as f64, starting));
        writeln!(page, "| {width} | {steady:.1e} | {starting:.1e} | {} |", order(&errors))?;
    }
    page.push_str(
        "\nPermeability of a square array of round grains that fill 0.3 of the plane, compared with Sangani & \
         Acrivos (1982): root mean square of the relative error over six positions of the grain between the \
         sites, and the order of convergence from the first row. With walls half-way between sites a grain is a \
         staircase, and the order is one. Interpolated bounce-back with the positions of the wall (`with_walls`) \
         is of second order.\n\n\
        | sites in a period | interpolated | order | staircase | order |\n|---|---|---|---|---|\n",
    );
    let mut arrays: [Vec<(f64, f64)>; 2] = Default::default();
    for period in [12, 16, 24, 32, 48, 64, 96] {
        write!(page, "| {period} |")?;
        for (points, walls) in arrays.iter_mut().zip([Walls::Round, Walls::Staircase]) {
            let error = cases::permeability_error::<f64>(period, walls, 1.0 / 6.0);
            points.push((period as f64, error));
            write!(page, " {error:.4} | {} |", order(points))?;
        }
        page.push('\n');
    }
    page.push_str("\n![Error against width](convergence.png)\n");
    let logs = |points: &[(f64, f64)]| points.iter().map(|(w, e)| (w.log2(), e.log10())).collect::<Vec<_>>();
    let slope = |points: &[(f64, f64)], order: i32| {
        let (first, last) = (points[0], points[points.len() - 1]);
        logs(&[first, (last.0, first.1 * (first.0 / last.0).powi(order))])
    };
    let lines = [
        Line::exact("second order", slope(&errors, 2)),
        Line::marks("starting Poiseuille", logs(&errors)),
        Line::exact("", slope(&arrays[0], 2)),
        Line::marks("grains, interpolated", logs(&arrays[0])),
        Line::exact("first order", slope(&arrays[1], 1)),
        Line::marks("grains, staircase", logs(&arrays[1])),
    ];
    chart(folder, "convergence", "log₂ of the width or period", "log₁₀ of the relative error", &lines)
}

/// Order of convergence from the first to the last of some (width, error).
fn order(points: &[(f64, f64)]) -> String {
    match points {
        [(width, error), .., (last_width, last_error)] => {
            format!("{:.2}", (error / last_error).ln() / (last_width / width).ln())
        }
        _ => String::new(),
    }
}

fn regimes(folder: &Path, page: &mut String) -> Result {
    page.push_str(
        "\n## Regimes of drainage\n\nOne disc pack of 128 × 64 pixels, inlet on top, contact angle 45°, \
        at the last frame (breakthrough). Ca = μ_i q/σ with the Darcy velocity q; M = μ_i/μ_d. Saturation is the \
         displacement efficiency at breakthrough; border is the length of the interface between the fluids over \
         the invaded area. Lenormand, Touboul & Zarcone (1988) find viscous fingers at low M and high Ca, stable \
         displacement at high M and high Ca, and capillary fingers at low Ca. The efficiency rises in the order \
         viscous fingers, capillary fingers, stable displacement.\n\n\
         | Ca | M | saturation | border | IoU with percolation | mass drift |\n|---|---|---|---|---|---|\n",
    );
    let mut cells = Vec::new();
    for ratio in [0.05, 0.3, 10.0] {
        for capillary in [1e-3_f64, 1e-2, 5e-2] {
            // Stable displacement needs no more than this, and time steps get short.
            let capillary = if ratio > 1.0 { capillary.min(2e-2) } else { capillary };
            let regime = cases::regimes((128, 64), &[("", capillary, ratio)]).remove(0);
            let trajectory = &regime.drainage.trajectory;
            writeln!(
                page,
                "| {capillary:.0e} | {ratio} | {:.3} | {:.3} | {:.3} | {:.1e} |",
                trajectory.saturation().last().copied().unwrap_or(f64::NAN),
                cases::raggedness(trajectory),
                regime.agreement_with_percolation,
                regime.drainage.mass_drift
            )?;
            cells.push(Cell::last(format!("Ca {capillary:.0e}, M {ratio}"), trajectory));
        }
    }
    page.push_str("\n![Last frames: grains dark, invading fluid blue](regimes.png)\n");
    mosaic(folder, "regimes", &cells, 3, 4)
}

fn percolation(folder: &Path, page: &mut String) -> Result {
    page.push_str(
        "\n## Towards percolation\n\nThe same disc pack at M = 1: intersection over union (IoU) with invasion \
         percolation at equal saturation, averaged over the last four fifths of the frames. Both simulators have \
         walls on the left and right.\n\n| Ca | IoU |\n|---|---|\n",
    );
    let mut points = Vec::new();
    for capillary in [1e-1_f64, 3e-2, 1e-2, 3e-3, 1e-3] {
        let regime = cases::regimes((128, 64), &[("", capillary, 1.0)]).remove(0);
        writeln!(page, "| {capillary:.0e} | {:.3} |", regime.agreement_with_percolation)?;
        points.push((capillary.log10(), regime.agreement_with_percolation));
    }
    page.push_str("\n![IoU against Ca](percolation.png)\n");
    points.reverse();
    chart(folder, "percolation", "log₁₀ Ca", "IoU with percolation", &[Line::marks("M = 1", points)])
}
