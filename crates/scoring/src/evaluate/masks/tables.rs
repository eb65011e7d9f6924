//! The tables of an evaluation of masks.

use porecast_imaging::measure::{ConfusionMatrix, OperatingPoint};

use super::measure::Measure;
use super::score::ImageScore;
use super::scores::MaskScores;
use super::{PartScores, Scores};
use crate::evaluate::sheet::{Sheet, cells, texts};
use crate::evaluate::table::{Row, Table, interval, number, or_dash};

/// Measures whose means over images stand in the tables.
pub(super) const COMPARED: [Measure; 2] = [Measure::Dice, Measure::Iou];
/// Groups in the table of a page: the worst of them when there are more.
const SHOWN_GROUPS: usize = 40;

/// The tables of one run, for a page.
pub fn overview(scores: &Scores) -> Vec<Table> {
    let mut tables = vec![summary(scores)];
    tables.extend(per_class(scores));
    tables.extend(thresholds(scores));
    tables.extend(per_group(scores));
    tables
}

/// The same for a terminal.
pub(super) fn terminal(scores: &Scores) -> Vec<Table> {
    let mut tables = vec![summary(scores)];
    tables.extend(per_class(scores));
    tables
}

/// What the means of all tables run over, in words.
pub fn classes_text(scores: &Scores) -> String {
    match scores.scored_names().as_slice() {
        [one] => format!("class {one:?}"),
        names => format!("mean over the classes {}", names.join(", ")),
    }
}

/// A row a source of each part.
fn summary(scores: &Scores) -> Table {
    let sources = scores.parts.iter().flat_map(|part| {
        let name = |source: &MaskScores| format!("{}: {}", part.part, source.source.name());
        part.sources.iter().map(move |source| (name(source), source))
    });
    let title = capitalised(&classes_text(scores));
    measures(&title, &scores.scored_classes, sources)
}

/// A row a source: Dice and IoU as means over images, then the measures of the whole set.
pub(super) fn measures<'a>(
    title: &str,
    classes: &[u8],
    sources: impl Iterator<Item = (String, &'a MaskScores)>,
) -> Table {
    let rows = sources.map(|(name, source)| {
        let mut cells = vec![name, source.images.len().to_string()];
        cells.extend(COMPARED.map(|measure| or_dash(source.mean(measure, classes).as_ref(), interval)));
        let total = source.total();
        let of_set = |measure: Measure| or_dash(total.as_ref(), |total| number(measure.of(total, classes)));
        cells.extend(Measure::ALL.map(of_set));
        Row { cells, is_baseline: source.source.is_baseline() }
    });
    let rows = rows.collect();
    let mut headings = texts(&["", "images"]);
    headings.extend(COMPARED.map(|measure| format!("{} of images", measure.heading())));
    headings.extend(Measure::ALL.map(|measure| measure.heading().to_owned()));
    let over = "mean over images ± half the 95 % bootstrap interval, then of all pixels of the set together";
    Table { title: format!("{title}: {over}"), headings, rows }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Each class of the [main part](Scores::main_part).
fn per_class(scores: &Scores) -> Option<Table> {
    let part = scores.main_part()?;
    let source = part.main()?;
    let total = source.total()?;
    let rows = scores.dataset.classes.iter().zip(0u8..).map(|(name, class)| {
        let counts = total.class(class);
        let is_scored = scores.scored_classes.contains(&class);
        let name = if is_scored { name.clone() } else { format!("{name} (not in the means)") };
        let mut cells = vec![name, pixels(counts.true_positive + counts.false_negative)];
        cells.push(pixels(counts.true_positive + counts.false_positive));
        let measures = Measure::ALL.into_iter().filter(|measure| *measure != Measure::PixelAccuracy);
        cells.extend(measures.map(|measure| match counts.occurs() {
            true => number(measure.of_class(&counts)),
            false => "-".into(),
        }));
        let distances = source.distances(class);
        cells.push(or_dash(distances, |d| number(d.mean_mm)));
        cells.push(or_dash(distances, |d| number(d.median_mm)));
        let measured = distances.map_or(0, |d| d.images);
        cells.push(match is_scored && measured > 0 {
            true => (source.images.len() - measured).to_string(),
            false => "-".into(),
        });
        Row { cells, is_baseline: !is_scored }
    });
    let headings = [
        "",
        "true pixels",
        "predicted pixels",
        "Dice",
        "IoU",
        "precision",
        "recall",
        "Hausdorff, mm",
        "median",
        "images without",
    ];
    Some(Table {
        title: format!("Each class, {}", source_text(part, source)),
        headings: texts(&headings),
        rows: rows.collect(),
    })
}

/// `3 test images, network`.
fn source_text(part: &PartScores, source: &MaskScores) -> String {
    format!("{} {} images, {}", source.images.len(), part.part, source.source.name())
}

fn pixels(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// What thresholds on the probability give; none but for two classes.
fn thresholds(scores: &Scores) -> Option<Table> {
    let of_validation = scores.part("validation").and_then(best_threshold);
    let rows: Vec<Row> = scores
        .parts
        .iter()
        .filter_map(|part| {
            let histogram = part.histogram.as_ref()?;
            let best = histogram.best_dice();
            let transferred = of_validation.map(|point| {
                let same = histogram.curve().into_iter().find(|other| other.threshold >= point.threshold);
                same.map_or(f64::NAN, |point| point.counts.dice())
            });
            let cells = vec![
                part.part.clone(),
                or_dash(histogram.average_precision(), number),
                format!("{:.3}", best.threshold),
                number(best.counts.dice()),
                or_dash(transferred, number),
            ];
            Some(Row { cells, is_baseline: false })
        })
        .collect();
    let headings = ["", "average precision", "best threshold", "Dice there", "Dice at validation threshold"];
    (!rows.is_empty()).then(|| Table {
        title: "Thresholds on the probability of the network, all pixels of the set together. The best threshold \
                of the scored images themselves is optimistic; that of the validation images is not"
            .into(),
        headings: texts(&headings),
        rows,
    })
}

fn best_threshold(part: &PartScores) -> Option<OperatingPoint> {
    part.histogram.as_ref().map(|histogram| histogram.best_dice())
}

/// Each group of the [main part](Scores::main_part), the worst first.
fn per_group(scores: &Scores) -> Option<Table> {
    let part = scores.main_part()?;
    let source = part.main().filter(|_| scores.has_groups())?;
    let classes = &scores.scored_classes;
    let groups = source.groups();
    let mut rows: Vec<(f64, Row)> = groups
        .iter()
        .map(|(group, (images, counts))| {
            let mut cells = vec![(*group).to_owned(), images.to_string()];
            cells.extend(Measure::ALL.map(|measure| number(measure.of(counts, classes))));
            (Measure::Dice.of(counts, classes), Row { cells, is_baseline: false })
        })
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let shown = match rows.len() > SHOWN_GROUPS {
        true => format!(", the worst {SHOWN_GROUPS} of {}", rows.len()),
        false => ", the worst first".into(),
    };
    rows.truncate(SHOWN_GROUPS);
    let mut headings = texts(&["", "images"]);
    headings.extend(Measure::ALL.map(|measure| measure.heading().to_owned()));
    Some(Table {
        title: format!("Each group, all its pixels together, {}{shown}", source_text(part, source)),
        headings,
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    })
}

/// `summary.csv`, `per_image.csv`, `per_class.csv` and, where images belong to groups, `per_group.csv`.
pub(super) fn sheets(scores: &Scores) -> Vec<Sheet> {
    let classes = &scores.scored_classes;
    let measures = Measure::ALL.map(|measure| measure.key().to_owned()).to_vec();
    let values = |counts: &ConfusionMatrix| {
        Measure::ALL.map(|measure| measure.of(counts, classes).to_string()).to_vec()
    };

    let headings = texts(&["measure", "over", "count", "mean", "low", "high"]);
    let summary =
        Sheet::of_sources("summary.csv", headings, rows(scores, |source| summary_of(source, scores)));

    let distances = scores.scored_names().into_iter().map(|name| format!("hausdorff_mm_{name}")).collect();
    let headings = [texts(&["id", "group"]), measures.clone(), distances].concat();
    let of_images = |source: &MaskScores| {
        let row = |image: &ImageScore| {
            let distance = |class| image.hausdorff_mm.get(class).map_or_else(String::new, f64::to_string);
            let distances = classes.iter().map(distance).collect();
            [texts(&[&image.id, &image.group]), values(&image.counts), distances].concat()
        };
        source.images.iter().map(row).collect()
    };
    let images = Sheet::of_sources("per_image.csv", headings, rows(scores, of_images));

    let distances = ["hausdorff_mm", "hausdorff_median_mm", "hausdorff_images", "hausdorff_left_out"];
    let headings = texts(&["class", "in_means", "true_pixels", "predicted_pixels"]);
    let headings = [headings, measures.clone(), texts(&distances)].concat();
    let of_classes =
        Sheet::of_sources("per_class.csv", headings, rows(scores, |source| class_rows(source, scores)));

    let mut sheets = vec![summary, images, of_classes];
    if scores.has_groups() {
        let headings = [texts(&["group", "images"]), measures].concat();
        let of_groups = |source: &MaskScores| {
            let groups = source.groups().into_iter();
            let row = |(group, (images, counts)): (&str, (usize, ConfusionMatrix))| {
                [texts(&[group, &images.to_string()]), values(&counts)].concat()
            };
            groups.map(row).collect()
        };
        sheets.push(Sheet::of_sources("per_group.csv", headings, rows(scores, of_groups)));
    }
    sheets
}

/// The rows of each part and source.
fn rows(
    scores: &Scores,
    rows: impl Fn(&MaskScores) -> Vec<Vec<String>>,
) -> impl Iterator<Item = (&str, &str, Vec<Vec<String>>)> {
    let sources = scores.parts.iter().flat_map(|part| part.sources.iter().map(move |source| (part, source)));
    sources.map(move |(part, source)| (part.part.as_str(), source.source.name(), rows(source)))
}

/// Measure, what it is over, count, mean, low and high of a source.
pub(super) fn summary_of(source: &MaskScores, scores: &Scores) -> Vec<Vec<String>> {
    let classes = &scores.scored_classes;
    let mut rows = Vec::new();
    for measure in Measure::ALL {
        let of_set = source.total().map_or_else(String::new, |total| measure.of(&total, classes).to_string());
        rows.push(texts(&[measure.key(), "set", "1", &of_set, "", ""]));
        let mut means = vec![("images", source.images.len(), source.mean(measure, classes))];
        if scores.has_groups() {
            means.push(("groups", source.groups().len(), source.mean_over_groups(measure, classes)));
        }
        for (over, count, mean) in means {
            let Some(mean) = mean else { continue };
            rows.push([texts(&[measure.key(), over, &count.to_string()]), cells(&mean).to_vec()].concat());
        }
    }
    rows
}

fn class_rows(source: &MaskScores, scores: &Scores) -> Vec<Vec<String>> {
    let Some(total) = source.total() else { return Vec::new() };
    let row = |(name, class): (&String, u8)| {
        let counts = total.class(class);
        let is_scored = scores.scored_classes.contains(&class);
        let mut row = texts(&[name, if is_scored { "yes" } else { "no" }]);
        row.push((counts.true_positive + counts.false_negative).to_string());
        row.push((counts.true_positive + counts.false_positive).to_string());
        row.extend(Measure::ALL.map(|measure| measure.of_class(&counts).to_string()));
        let distances = source.distances(class);
        row.push(distances.map_or_else(String::new, |d| d.mean_mm.to_string()));
        row.push(distances.map_or_else(String::new, |d| d.median_mm.to_string()));
        let measured = distances.map_or(0, |d| d.images);
        row.extend(match is_scored {
            true => [measured.to_string(), (source.images.len() - measured).to_string()],
            false => [String::new(), String::new()],
        });
        row
    };
    scores.dataset.classes.iter().zip(0u8..).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_grouped_in_thousands() {
        assert_eq!([7, 1234, 1_234_567].map(pixels), ["7", "1\u{a0}234", "1\u{a0}234\u{a0}567"]);
    }
}
