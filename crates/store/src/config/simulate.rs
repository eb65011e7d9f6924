//! Configuration of a campaign: domains, fluids and simulator.

use std::collections::BTreeMap;
use std::path::PathBuf;

use porecast_base::below;
use porecast_simulations::domain::{DomainConfig, ImageConfig};
use porecast_simulations::lattice_boltzmann::{Injection, LatticeBoltzmannConfig};
use porecast_simulations::percolation::PercolationConfig;
use porecast_simulations::{FluidPair, Side};
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{Problem, Validate, read_table};

/// Largest campaign: identifiers hold six digits.
const MAX_DOMAINS: usize = 1_000_000;

/// A campaign of `porecast simulate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateConfig {
    /// Number of domains. A higher number extends an existing dataset if nothing else changes.
    #[schemars(range(min = 1, max = 1000000))]
    pub domains: usize,
    /// Seed of the campaign; the seed of every domain is derived from it.
    #[serde(default)]
    pub seed: u64,
    /// Height of the domains in pixels.
    #[schemars(range(min = 2, max = 16384))]
    pub height: usize,
    /// Width of the domains in pixels.
    #[schemars(range(min = 2, max = 16384))]
    pub width: usize,
    /// Edge length of a pixel in metres.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub voxel_size_m: f64,
    /// Edge where the invading fluid enters.
    #[serde(default)]
    pub inlet: Side,
    /// Simulator of the invasion.
    #[serde(default)]
    pub simulator: Simulator,
    /// Settings of the percolation simulator.
    #[serde(default)]
    pub percolation: PercolationConfig,
    /// Settings of the lattice Boltzmann simulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lattice_boltzmann: Option<LatticeBoltzmannConfig>,
    /// Capillary numbers of a lattice Boltzmann campaign, each 1e-6 to 1: each domain draws one of
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 1e-6, max = 1.0)), extend("default" = []))]
    pub capillary_numbers: Vec<f64>,
    /// Physical quantities that differ from domain to domain.
    #[serde(default, skip_serializing_if = "PhysicsRanges::is_empty")]
    pub vary: PhysicsRanges,
    /// Draws for one domain until one can be simulated: generators and the lattice refuse some.
    #[serde(default = "one_draw", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1, max = 1000), extend("default" = 1))]
    pub draws: usize,
    /// The two fluids.
    #[serde(default)]
    pub fluids: FluidPair,
    /// The kinds of domain, mixed by weight.
    pub domain: Vec<DomainKind>,
}

/// Ranges `[lowest, highest]` from which each domain draws a physical quantity.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PhysicsRanges {
    /// Lowest and highest capillary number, within 1e-6 to 1; uniform in its logarithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capillary_number: Option<(f64, f64)>,
    /// Lowest and highest viscosity of the invading over that of the defending fluid, within 1e-3 to
    /// 1e3; uniform in its logarithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub viscosity_ratio: Option<(f64, f64)>,
    /// Lowest and highest contact angle in degrees through the defending fluid, within 0 to 89.99;
    /// uniform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact_angle_deg: Option<(f64, f64)>,
}

impl PhysicsRanges {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn problems(&self) -> Vec<Problem> {
        let ranges = [
            ("capillary_number", self.capillary_number, 1e-6, 1.0),
            ("viscosity_ratio", self.viscosity_ratio, 1e-3, 1e3),
            ("contact_angle_deg", self.contact_angle_deg, 0.0, 89.99),
        ];
        let mut problems = Vec::new();
        for (key, range, lowest, highest) in ranges {
            let Some((low, high)) = range else { continue };
            if !(lowest <= low && low <= high && high <= highest) {
                let allowed = format!("[lowest, highest] within [{lowest}, {highest}]");
                problems.push(Problem::unexpected(key, format!("[{low}, {high}]"), allowed));
            }
        }
        problems
    }
}

/// What invades the domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Simulator {
    /// Quasi-static drainage by image-based invasion percolation.
    #[default]
    Percolation,
    /// Dynamic drainage by colour-gradient lattice Boltzmann.
    LatticeBoltzmann,
}

impl Simulator {
    /// Name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Percolation => "percolation",
            Self::LatticeBoltzmann => "lattice-boltzmann",
        }
    }
}

/// One kind of domain: a generator, or an image to crop from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainKind {
    /// Share of the campaign, relative to the other kinds.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub weight: f64,
    /// Generator settings that vary between domains, such as `{ porosity = [0.6, 0.7] }`; each is drawn
    /// uniformly from its lowest to its highest value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vary: BTreeMap<String, (f64, f64)>,
    /// A generator of domains; a kind of domain has this or `image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<DomainConfig>,
    /// A picture that domains are cropped from at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageSource>,
}

/// A picture that domains are cropped from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageSource {
    /// PNG, TIFF, JPEG, npy or headerless raw file; a relative path starts at the folder of the
    /// configuration file.
    pub path: PathBuf,
    /// Page of a TIFF file with several, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<usize>,
    /// Height, width and slice; for raw files only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawShape>,
    /// How grey levels from 0 (black) to 1 (white) become solid and pores.
    pub segmentation: ImageConfig,
}

/// Shape and slice of a headerless file of one byte per pixel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawShape {
    /// Rows of the file.
    pub height: usize,
    /// Columns of the file.
    pub width: usize,
    /// Slice to take, counted from 0.
    #[serde(default)]
    pub slice: usize,
}

fn one() -> f64 {
    1.0
}

fn one_draw() -> usize {
    1
}

fn is_one(draws: &usize) -> bool {
    *draws == 1
}

impl SimulateConfig {
    /// The campaign without its number of domains; a dataset can be extended only if this agrees.
    pub fn identity(&self) -> Self {
        Self { domains: 0, ..self.clone() }
    }

    /// Draws the fluids and the lattice Boltzmann settings of a domain.
    pub fn draw_physics(&self, rng: &mut impl Rng) -> (FluidPair, LatticeBoltzmannConfig) {
        let mut config = self.lattice_boltzmann.unwrap_or_default();
        let mut fluids = self.fluids;
        if !self.capillary_numbers.is_empty() {
            let drawn = self.capillary_numbers[rng.random_range(0..self.capillary_numbers.len())];
            config.injection = Injection::CapillaryNumber(drawn);
        }
        let mut uniform = |(low, high): (f64, f64)| low + rng.random::<f64>() * (high - low);
        if let Some((low, high)) = self.vary.capillary_number {
            config.injection = Injection::CapillaryNumber(uniform((low.ln(), high.ln())).exp());
        }
        if let Some((low, high)) = self.vary.viscosity_ratio {
            config.viscosity_ratio = Some(uniform((low.ln(), high.ln())).exp());
        }
        if let Some(range) = self.vary.contact_angle_deg {
            fluids.contact_angle_deg = uniform(range);
        }
        (fluids, config)
    }

    /// Draws the kind of a domain by weight.
    pub fn draw_kind(&self, rng: &mut impl Rng) -> &DomainKind {
        let total: f64 = self.domain.iter().map(|kind| kind.weight).sum();
        let mut left = rng.random::<f64>() * total;
        for kind in &self.domain {
            left -= kind.weight;
            if left < 0.0 {
                return kind;
            }
        }
        self.domain.last().expect("a validated campaign has a kind of domain")
    }
}

impl SimulateConfig {
    fn lattice_boltzmann_problems(&self) -> Vec<Problem> {
        if self.simulator != Simulator::LatticeBoltzmann {
            let unused = |key| Problem::new(key, "applies with simulator = \"lattice-boltzmann\" only");
            let table = self.lattice_boltzmann.map(|_| unused("lattice_boltzmann"));
            return table
                .into_iter()
                .chain((!self.capillary_numbers.is_empty()).then(|| unused("capillary_numbers")))
                .chain(self.vary.capillary_number.map(|_| unused("vary.capillary_number")))
                .chain(self.vary.viscosity_ratio.map(|_| unused("vary.viscosity_ratio")))
                .collect();
        }
        let config = self.lattice_boltzmann.unwrap_or_default();
        let mut problems: Vec<_> = below("lattice_boltzmann", config.problems()).collect();
        for &number in &self.capillary_numbers {
            let config = LatticeBoltzmannConfig { injection: Injection::CapillaryNumber(number), ..config };
            problems.extend(
                config.problems().into_iter().map(|problem| Problem::new("capillary_numbers", problem.what)),
            );
        }
        if !self.capillary_numbers.is_empty() && self.vary.capillary_number.is_some() {
            problems.push(Problem::new(
                "vary.capillary_number",
                "give this range or capillary_numbers, not both",
            ));
        }
        problems.dedup();
        problems
    }
}

impl DomainKind {
    /// Generator settings of a domain, with the varied ones drawn; `None` for an image.
    pub fn draw_generator(&self, rng: &mut impl Rng) -> Option<DomainConfig> {
        let generator = self.generator?;
        let drawn = self
            .vary
            .iter()
            .map(|(key, &(low, high))| (key.as_str(), low + rng.random::<f64>() * (high - low)));
        Some(with_settings(&generator, drawn.collect()).expect("ranges were checked at both ends"))
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(self.weight > 0.0 && self.weight.is_finite()) {
            problems.push(Problem::outside("weight", self.weight, "(0, inf)"));
        }
        match (&self.generator, &self.image) {
            (Some(generator), None) => {
                problems.extend(below("generator", generator.problems()));
                problems.extend(self.range_problems(generator));
            }
            (None, Some(image)) => {
                problems.extend(below("image.segmentation", image.segmentation.problems()));
                if image.raw.is_some() && image.page.is_some() {
                    problems.push(Problem::new(
                        "image.page",
                        "is for TIFF files; a raw file has image.raw.slice",
                    ));
                }
                if !self.vary.is_empty() {
                    problems.push(Problem::new("vary", "applies to a generator, not to an image"));
                }
            }
            _ => problems.push(Problem::new(
                "generator",
                "a kind of domain needs either [domain.generator] or [domain.image]",
            )),
        }
        problems
    }

    fn range_problems(&self, generator: &DomainConfig) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, &(low, high)) in &self.vary {
            let place = format!("vary.{key}");
            if low > high || low.is_nan() || high.is_nan() {
                problems.push(Problem::new(
                    place,
                    format!("[{low}, {high}] is not a range; write [lowest, highest]"),
                ));
                continue;
            }
            for end in [low, high] {
                match with_settings(generator, vec![(key, end)]) {
                    Ok(settings) => problems.extend(
                        settings
                            .problems()
                            .into_iter()
                            .map(|problem| Problem::new(place.clone(), problem.what)),
                    ),
                    Err(what) => problems.push(Problem::new(place.clone(), what)),
                }
            }
        }
        problems.dedup();
        problems
    }
}

/// A generator with some of its settings changed. Integer settings are rounded.
fn with_settings(generator: &DomainConfig, changes: Vec<(&str, f64)>) -> Result<DomainConfig, String> {
    let mut table = Table::try_from(generator).map_err(|e| e.to_string())?;
    for (key, number) in changes {
        let value = match table.get(key) {
            Some(Value::Float(_)) => Value::Float(number),
            Some(Value::Integer(_)) => Value::Integer(number.round() as i64),
            _ => {
                let numbers = table.iter().filter(|(_, v)| v.is_float() || v.is_integer());
                let names: Vec<&str> = numbers.map(|(key, _)| key.as_str()).collect();
                return Err(format!("the generator has no such number; it has {}", names.join(", ")));
            }
        };
        table.insert(key.to_owned(), value);
    }
    let (settings, problems) = read_table(table);
    settings.ok_or_else(|| problems.into_iter().map(|problem| problem.what).collect::<Vec<_>>().join("; "))
}

impl Validate for SimulateConfig {
    const KIND: &'static str = super::CAMPAIGN;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(1..=MAX_DOMAINS).contains(&self.domains) {
            problems.push(Problem::outside("domains", self.domains, format!("[1, {MAX_DOMAINS}]")));
        }
        for (key, length) in [("height", self.height), ("width", self.width)] {
            if !(2..=16384).contains(&length) {
                problems.push(Problem::outside(key, length, "[2, 16384]"));
            }
        }
        let positive = |key: &str, value: f64| {
            (!(value > 0.0 && value.is_finite())).then(|| Problem::outside(key, value, "(0, inf)"))
        };
        problems.extend(positive("voxel_size_m", self.voxel_size_m));
        problems.extend(below("percolation", self.percolation.problems()));
        problems.extend(self.lattice_boltzmann_problems());
        problems.extend(below("vary", self.vary.problems()));
        if !(1..=1000).contains(&self.draws) {
            problems.push(Problem::outside("draws", self.draws, "[1, 1000]"));
        }
        problems.extend(positive("fluids.surface_tension", self.fluids.surface_tension));
        problems.extend(positive("fluids.viscosity_invading", self.fluids.viscosity_invading));
        problems.extend(positive("fluids.viscosity_defending", self.fluids.viscosity_defending));
        let angle = self.fluids.contact_angle_deg;
        if !(0.0..90.0).contains(&angle) {
            let allowed = "[0, 90): drainage, measured through the defending fluid";
            problems.push(Problem::outside("fluids.contact_angle_deg", angle, allowed));
        }
        if self.domain.is_empty() {
            problems.push(Problem::new("domain", "is empty; add at least one [[domain]]"));
        }
        for (index, kind) in self.domain.iter().enumerate() {
            problems.extend(below(&format!("domain[{index}]"), kind.problems()));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::config::{parse, to_toml};

    const CAMPAIGN: &str = r#"
        domains = 12
        height = 64
        width = 32
        voxel_size_m = 35e-6
        [[domain]]
        weight = 3
        vary = { porosity = [0.6, 0.7], buffer = [2, 4] }
        generator = { kind = "disc-pack", grain_radius = 5 }
        [[domain]]
        [domain.image]
        path = "ketton.png"
        segmentation = { polarity = "pore-bright", threshold = 0.5 }
    "#;

    fn read(text: &str) -> porecast_base::Result<SimulateConfig> {
        parse("campaign.toml", text, &[])
    }

    #[test]
    fn a_resolved_campaign_reads_back_equal() {
        let config = read(CAMPAIGN).unwrap();
        assert_eq!(read(&to_toml(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn varied_settings_stay_in_their_range_and_kinds_keep_their_weights() {
        let config = read(CAMPAIGN).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut packs = 0;
        for _ in 0..400 {
            let Some(drawn) = config.draw_kind(&mut rng).draw_generator(&mut rng) else { continue };
            let DomainConfig::DiscPack(pack) = drawn else { panic!("{drawn:?}") };
            assert!((0.6..=0.7).contains(&pack.porosity) && (2..=4).contains(&pack.buffer));
            assert_eq!(pack.grain_radius, 5.0);
            packs += 1;
        }
        assert!((270..330).contains(&packs), "{packs} of 400 at weight 3 of 4");
    }

    #[test]
    fn every_problem_of_a_campaign_is_reported_at_once() {
        let text = CAMPAIGN
            .replace("domains = 12", "domains = 0\nsede = 3")
            .replace("35e-6", "-1")
            .replace("[0.6, 0.7]", "[0.6, 7.0]")
            .replace("buffer", "bufer")
            .replace("weight = 3", "weight = 0\ncolour = 1");
        let error = read(&format!("{text}\n[fluids]\ncontact_angle_deg = 120\n[percolation]\nframes = 1"))
            .unwrap_err()
            .to_string();
        for wanted in [
            "sede: there is no such key; did you mean `seed`?",
            "domain[0].colour: there is no such key",
            "domains: 0 is outside [1, 1000000]",
            "voxel_size_m: -1 is outside (0, inf)",
            "fluids.contact_angle_deg: 120 is outside [0, 90)",
            "percolation.frames: 1 is outside",
            "domain[0].weight: 0 is outside (0, inf)",
            "domain[0].vary.porosity: 7 is outside",
            "domain[0].vary.bufer: the generator has no such number; it has",
        ] {
            assert!(error.contains(wanted), "{error}\ndoes not say {wanted}");
        }
    }

    #[test]
    fn a_kind_of_domain_is_a_generator_or_an_image() {
        let text =
            CAMPAIGN.replace("path =", "#").replace("segmentation =", "#").replace("[domain.image]", "");
        let error = read(&text).unwrap_err().to_string();
        assert!(error.contains("domain[1].generator: a kind of domain needs either"), "{error}");
    }

    #[test]
    fn an_unknown_key_of_a_generator_is_named() {
        let error = read(&CAMPAIGN.replace("grain_radius", "grain_radios")).unwrap_err().to_string();
        assert!(
            error.contains(
                "domain[0].generator.grain_radios: there is no such key; did you mean `grain_radius`?"
            ),
            "{error}"
        );
    }

    #[test]
    fn the_campaigns_that_come_with_the_program_are_valid() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/simulate");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            crate::config::load::<SimulateConfig>(&entry.unwrap().path(), &[]).unwrap();
            count += 1;
        }
        assert!(count >= 3);
    }
}
