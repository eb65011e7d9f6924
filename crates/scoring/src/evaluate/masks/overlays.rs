//! Images to look at: the best, the worst, and some between them.

use image::RgbImage;

use super::measure::Measure;
use super::source::Source;
use super::{PartPredictions, PartScores, Plan, Scores, mismatch_reason, tables};
use crate::figure::{Figure, Mosaic, overlay};
use porecast_base::{Result, atomic};
use porecast_store::Dataset;

/// Images in a mosaic.
const COUNT: usize = 4;
/// Letters of an identifier over its picture.
const LETTERS: usize = 24;

/// Draws `overlays-best`, `overlays-even` and `overlays-worst` of the test part, or of the part that replaces it, each also
/// as HTML for the report.
pub(super) fn draw(plan: &Plan, scores: &Scores) -> Result<()> {
    let Some(part) = scores.main_part() else { return Ok(()) };
    for (stem, what, ranks) in chosen(part.ids().len()) {
        if !ranks.is_empty() {
            let mosaic = mosaic(plan, scores, part, what, &ranks)?;
            mosaic.save(&plan.output, stem)?;
            atomic::write(&plan.output.join(format!("{stem}.html")), mosaic.html().as_bytes())?;
        }
    }
    Ok(())
}

/// Ranks by Dice, from the worst, of the images of each mosaic; no image is in two of them.
fn chosen(images: usize) -> [(&'static str, &'static str, Vec<usize>); 3] {
    let ends = COUNT.min(images.div_ceil(2));
    let worst: Vec<usize> = (0..ends).collect();
    let best: Vec<usize> = (images - ends.min(images - ends)..images).rev().collect();
    let between = images - worst.len() - best.len();
    let count = COUNT.min(between);
    let even = (0..count).map(|i| ends + (2 * i + 1) * between / (2 * count)).rev().collect();
    [
        ("overlays-best", "The best", best),
        ("overlays-even", "Evenly spread between the best and the worst", even),
        ("overlays-worst", "The worst", worst),
    ]
}

fn mosaic(plan: &Plan, scores: &Scores, part: &PartScores, what: &str, ranks: &[usize]) -> Result<Mosaic> {
    let classes = &scores.dataset.classes;
    let main = part.main().expect("a part is scored by its prediction at least");
    let dice = main.of_images(Measure::Dice, &scores.scored_classes);
    let mut order: Vec<usize> = (0..dice.len()).collect();
    // Equal images keep the dataset's order.
    order.sort_by(|&a, &b| dice[a].total_cmp(&dice[b]));
    let planned =
        plan.parts.iter().find(|other| other.name == part.part).expect("parts are scored as planned");
    let predictions = PartPredictions::open(plan, planned, mismatch_reason)?;
    let is_binary = classes.len() == 2;
    let mut columns = Vec::new();
    let mut rows: Vec<(String, Vec<Option<RgbImage>>)> = match is_binary {
        true => ["image", "outlines", "errors"],
        false => ["image", "true", "predicted"],
    }
    .map(|name| (name.to_owned(), Vec::new()))
    .to_vec();
    for &rank in ranks {
        let image = &main.images[order[rank]];
        columns.push((shortened(&image.id), format!("Dice {:.3}", dice[order[rank]])));
        let sample = plan.dataset.sample(plan.dataset.place(&image.id)?)?;
        let prediction = predictions.of(&image.id)?;
        let predicted = match main.source {
            Source::Postprocessed => prediction.mask,
            _ => prediction.most_probable(),
        };
        let truth = sample.mask.expect("images without a mask are not scored");
        let canvas = overlay::Canvas::new(sample.image.view());
        rows[0].1.push(Some(canvas.picture().clone()));
        if is_binary {
            rows[1].1.push(Some(canvas.with_outlines(truth.view(), predicted.view())));
            rows[2].1.push(Some(canvas.with_errors(truth.view(), predicted.view())));
        } else {
            rows[1].1.push(Some(canvas.with_classes(truth.view())));
            rows[2].1.push(Some(canvas.with_classes(predicted.view())));
        }
    }
    let legend = match is_binary {
        true => vec![
            ("true outline".into(), overlay::TRUE_OUTLINE),
            ("predicted outline".into(), overlay::PREDICTED_OUTLINE),
            ("right".into(), overlay::RIGHT),
            ("predicted too much".into(), overlay::TOO_MUCH),
            ("missed".into(), overlay::MISSED),
        ],
        false => {
            let named = classes.iter().zip(0u8..).skip(1);
            named.map(|(name, class)| (name.clone(), overlay::class_colour(class))).collect()
        }
    };
    let title =
        format!("{what}: {} images, {}, {}", part.part, main.source.name(), tables::classes_text(scores));
    Ok(Mosaic { title, columns, rows, legend })
}

/// The end of a long identifier, where identifiers differ.
fn shortened(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    match letters.len() > LETTERS {
        true => format!("...{}", letters[letters.len() + 3 - LETTERS..].iter().collect::<String>()),
        false => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_image_is_shown_twice_and_few_images_are_all_shown() {
        for images in 0..30 {
            let all: Vec<usize> = chosen(images).into_iter().flat_map(|(_, _, ranks)| ranks).collect();
            let distinct: std::collections::BTreeSet<_> = all.iter().collect();
            assert_eq!(
                (distinct.len(), all.len()),
                (images.min(3 * COUNT), images.min(3 * COUNT)),
                "{images}"
            );
            assert!(all.iter().all(|rank| *rank < images));
        }
        let [best, even, worst] = chosen(100).map(|(_, _, ranks)| ranks);
        assert_eq!((best, worst), (vec![99, 98, 97, 96], vec![0, 1, 2, 3]));
        assert_eq!(even, [84, 61, 38, 15]);
    }

    #[test]
    fn long_identifiers_keep_their_end() {
        assert_eq!(shortened("image-1"), "image-1");
        assert_eq!(shortened("a/very/long/folder/of/slices/0042").chars().count(), LETTERS);
        assert!(shortened("a/very/long/folder/of/slices/0042").ends_with("slices/0042"));
    }
}
