//! The tables of an evaluation of masks.

use std::path::Path;

use porecast_imaging::measure::OperatingPoint;

use super::measure::Measure;
use super::scores::{MaskScores, PartScores, SourceScores};
use crate::error::Result;
use crate::evaluate::table::{Row, Table, number};
use crate::evaluate::tables::{interval, write_rows};

/// Groups in the table of a page: the worst of them when there are more.
const SHOWN_GROUPS: usize = 40;

/// The tables of one run, for a page.
pub fn overview(scores: &MaskScores) -> Vec<Table> {
    let mut tables = vec![summary(scores)];
    tables.extend(per_class(scores));
    tables.extend(thresholds(scores));
    tables.extend(per_group(scores));
    tables
}

/// The same for a terminal.
pub(super) fn terminal(scores: &MaskScores) -> Vec<Table> {
    let mut tables = vec![summary(scores)];
    tables.extend(per_class(scores));
    tables
}

/// What the means of all tables run over, in words.
pub fn classes_text(scores: &MaskScores) -> String {
    match scores.scored_names().as_slice() {
        [one] => format!("class {one:?}"),
        names => format!("mean over the classes {}", names.join(", ")),
    }
}

/// A row a source of each part: measures of the whole set, and Dice and IoU as means over images.
fn summary(scores: &MaskScores) -> Table {
    let classes = &scores.scored_classes;
    let rows =
        scores.parts.iter().flat_map(|part| part.sources.iter().map(move |source| (part, source))).map(
            |(part, source)| {
                let images =
                    |measure| source.mean(measure, classes).as_ref().map_or_else(|| "-".into(), interval);
                let mut cells = vec![format!("{}: {}", part.part, source.source.name())];
                cells.push(source.images.len().to_string());
                cells.extend([Measure::Dice, Measure::Iou].map(images));
                let total = source.total();
                let of_set = |measure: Measure| {
                    total.as_ref().map_or_else(|| "-".into(), |t| number(measure.of(t, classes)))
                };
                cells.extend(Measure::ALL.map(of_set));
                Row { cells, is_baseline: source.source.is_baseline() }
            },
        );
    let mut headings = ["", "images", "Dice of images", "IoU of images"].map(str::to_owned).to_vec();
    headings.extend(Measure::ALL.map(|measure| measure.heading().to_owned()));
    Table {
        title: format!(
            "{}: mean over images ± half the 95 % bootstrap interval, then of all pixels of the set together",
            capitalised(&classes_text(scores))
        ),
        rows: rows.collect(),
        headings,
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Each class of the part that nothing was chosen on.
fn per_class(scores: &MaskScores) -> Option<Table> {
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
        cells.push(distances.map_or_else(|| "-".into(), |d| number(d.mean_mm)));
        cells.push(distances.map_or_else(|| "-".into(), |d| number(d.median_mm)));
        let measured = distances.map_or(0, |d| d.images);
        cells.push(if is_scored { (source.images.len() - measured).to_string() } else { "-".into() });
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
        headings: headings.map(str::to_owned).to_vec(),
        rows: rows.collect(),
    })
}

/// `3 test images, network`.
fn source_text(part: &PartScores, source: &SourceScores) -> String {
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
fn thresholds(scores: &MaskScores) -> Option<Table> {
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
                histogram.average_precision().map_or_else(|| "-".into(), number),
                format!("{:.3}", best.threshold),
                number(best.counts.dice()),
                transferred.map_or_else(|| "-".into(), number),
            ];
            Some(Row { cells, is_baseline: false })
        })
        .collect();
    let headings = ["", "average precision", "best threshold", "Dice there", "Dice at that of validation"];
    (!rows.is_empty()).then(|| Table {
        title: "Thresholds on the probability of the network, all pixels of the set together: a threshold that is the \
                best of the images it is scored on flatters, that of the validation images does not"
            .into(),
        headings: headings.map(str::to_owned).to_vec(),
        rows,
    })
}

fn best_threshold(part: &PartScores) -> Option<OperatingPoint> {
    part.histogram.as_ref().map(|histogram| histogram.best_dice())
}

/// Each group of the part that nothing was chosen on, the worst first.
fn per_group(scores: &MaskScores) -> Option<Table> {
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
    let mut headings = ["", "images"].map(str::to_owned).to_vec();
    headings.extend(Measure::ALL.map(|measure| measure.heading().to_owned()));
    Some(Table {
        title: format!("Each group, all its pixels together, {}{shown}", source_text(part, source)),
        headings,
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    })
}

/// Writes `summary.csv`, `per_image.csv`, `per_class.csv` and, where images belong to groups, `per_group.csv`.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn write_csv(scores: &MaskScores, folder: &Path) -> Result<()> {
    write_rows(&folder.join("summary.csv"), &summary_rows(scores))?;
    write_rows(&folder.join("per_image.csv"), &image_rows(scores))?;
    write_rows(&folder.join("per_class.csv"), &class_rows(scores))?;
    match scores.has_groups() {
        true => write_rows(&folder.join("per_group.csv"), &group_rows(scores)),
        false => Ok(()),
    }
}

fn text(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn sources(scores: &MaskScores) -> impl Iterator<Item = (&str, &SourceScores)> {
    scores.parts.iter().flat_map(|part| part.sources.iter().map(move |source| (part.part.as_str(), source)))
}

fn summary_rows(scores: &MaskScores) -> Vec<Vec<String>> {
    let mut rows = vec![text(&["part", "source", "measure", "over", "count", "mean", "low", "high"])];
    for (part, source) in sources(scores) {
        rows.extend(
            summary_of(source, scores)
                .into_iter()
                .map(|row| [text(&[part, source.source.name()]), row].concat()),
        );
    }
    rows
}

/// Measure, what it is over, count, mean, low and high of a source.
pub(super) fn summary_of(source: &SourceScores, scores: &MaskScores) -> Vec<Vec<String>> {
    let classes = &scores.scored_classes;
    let mut rows = Vec::new();
    for measure in Measure::ALL {
        let of_set = source.total().map(|total| measure.of(&total, classes));
        let of_set = of_set.map_or_else(String::new, |value| value.to_string());
        let mut row = text(&[measure.key(), "set", "1"]);
        row.extend([of_set, String::new(), String::new()]);
        rows.push(row);
        let mut means = vec![("images", source.images.len(), source.mean(measure, classes))];
        if scores.has_groups() {
            means.push(("groups", source.groups().len(), source.mean_over_groups(measure, classes)));
        }
        for (over, count, mean) in means {
            let Some(mean) = mean else { continue };
            let mut row = text(&[measure.key(), over, &count.to_string()]);
            row.extend([mean.mean, mean.low, mean.high].map(|value| value.to_string()));
            rows.push(row);
        }
    }
    rows
}

fn image_rows(scores: &MaskScores) -> Vec<Vec<String>> {
    let mut heading = text(&["part", "source", "id", "group"]);
    heading.extend(Measure::ALL.map(|measure| measure.key().to_owned()));
    heading.extend(scores.scored_names().iter().map(|name| format!("hausdorff_mm_{name}")));
    let mut rows = vec![heading];
    for (part, source) in sources(scores) {
        for image in &source.images {
            let mut row = text(&[part, source.source.name(), &image.id, &image.group]);
            row.extend(Measure::ALL.map(|m| m.of(&image.counts, &scores.scored_classes).to_string()));
            let distance = |class| image.hausdorff_mm.get(class).map_or_else(String::new, f64::to_string);
            row.extend(scores.scored_classes.iter().map(distance));
            rows.push(row);
        }
    }
    rows
}

fn group_rows(scores: &MaskScores) -> Vec<Vec<String>> {
    let mut heading = text(&["part", "source", "group", "images"]);
    heading.extend(Measure::ALL.map(|measure| measure.key().to_owned()));
    let mut rows = vec![heading];
    for (part, source) in sources(scores) {
        for (group, (images, counts)) in source.groups() {
            let mut row = text(&[part, source.source.name(), group, &images.to_string()]);
            row.extend(Measure::ALL.map(|m| m.of(&counts, &scores.scored_classes).to_string()));
            rows.push(row);
        }
    }
    rows
}

fn class_rows(scores: &MaskScores) -> Vec<Vec<String>> {
    let mut heading = text(&["part", "source", "class", "in_means", "true_pixels", "predicted_pixels"]);
    heading.extend(Measure::ALL.map(|measure| measure.key().to_owned()));
    heading.extend(text(&["hausdorff_mm", "hausdorff_median_mm", "hausdorff_images", "hausdorff_left_out"]));
    let mut rows = vec![heading];
    for (part, source) in sources(scores) {
        let Some(total) = source.total() else { continue };
        for (name, class) in scores.dataset.classes.iter().zip(0u8..) {
            let counts = total.class(class);
            let is_scored = scores.scored_classes.contains(&class);
            let mut row = text(&[part, source.source.name(), name, if is_scored { "yes" } else { "no" }]);
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
            rows.push(row);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_grouped_in_thousands() {
        assert_eq!([7, 1234, 1_234_567].map(pixels), ["7", "1\u{a0}234", "1\u{a0}234\u{a0}567"]);
    }
}
