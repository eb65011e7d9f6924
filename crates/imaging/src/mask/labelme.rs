//! Masks as labelme JSON.

use ndarray::ArrayView2;
use serde_json::json;

use super::contour::polygons;

/// The labelme JSON of a mask `[y, x]`: one polygon per connected region of each class except 0.
///
/// `labels` are the names of classes 1, 2, …; a class without a name is named by its number. `image_path` is
/// the file name of the image, which is not embedded (`imageData` is null). The polygons are those of
/// [`polygons`].
pub fn labelme_json(mask: ArrayView2<'_, u8>, labels: &[&str], image_path: &str) -> String {
    let (height, width) = mask.dim();
    let mut occurs = [false; 256];
    mask.iter().for_each(|&class| occurs[usize::from(class)] = true);
    let mut shapes = Vec::new();
    for class in (1..=255u8).filter(|&class| occurs[usize::from(class)]) {
        let label =
            labels.get(usize::from(class) - 1).map_or_else(|| class.to_string(), |name| (*name).to_owned());
        for points in polygons(mask.mapv(|found| found == class).view()) {
            shapes.push(json!({
                "label": label, "points": points, "group_id": null, "shape_type": "polygon", "flags": {},
            }));
        }
    }
    let file = json!({
        "version": "5.0.1", "flags": {}, "shapes": shapes, "imagePath": image_path, "imageData": null,
        "imageHeight": height, "imageWidth": width,
    });
    format!("{file:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mask::contour::tests::filled;
    use ndarray::Array2;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn filling_the_shapes_of_each_label_gives_back_the_mask(
            classes in prop::collection::vec(0u8..4, 1..80), width in 1usize..9,
        ) {
            let height = classes.len().div_ceil(width);
            let mask = Array2::from_shape_fn((height, width), |(y, x)| {
                classes.get(y * width + x).copied().unwrap_or(0)
            });
            let text = labelme_json(mask.view(), &["sand", "rock"], "17.jpg");
            let file: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&file["imageHeight"], height);
            prop_assert_eq!(&file["imageWidth"], width);
            prop_assert!(file["imageData"].is_null());
            for (class, name) in [(1, "sand"), (2, "rock"), (3, "3")] {
                let polygons: Vec<Vec<[f64; 2]>> = file["shapes"].as_array().unwrap().iter()
                    .filter(|shape| shape["label"] == name)
                    .map(|shape| serde_json::from_value(shape["points"].clone()).unwrap())
                    .collect();
                prop_assert_eq!(filled(&polygons, mask.dim()), mask.mapv(|found| found == class));
            }
        }
    }
}
