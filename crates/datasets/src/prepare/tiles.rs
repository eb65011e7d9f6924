//! Cuts a scene into tiles.

use ndarray::s;
use porecast_imaging::AnnotatedImage;

/// The tiles of a scene, row by row. Pixels at the right and lower edges that do not fill a tile are dropped.
///
/// Tiles of one column form a group, which a split keeps together. Tiles of neighbouring columns touch, so
/// a test on columns of a training scene is less strict than a test on another scene.
pub fn tiles(scene: &AnnotatedImage, (height, width): (usize, usize)) -> Vec<AnnotatedImage> {
    let (rows, columns) = (scene.shape().0 / height, scene.shape().1 / width);
    let mut tiles = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let (top, left) = (row * height, column * width);
            let (ys, xs) = (top..top + height, left..left + width);
            tiles.push(AnnotatedImage {
                id: format!("{}/{row}-{column}", scene.id),
                group: format!("{}/column-{column}", scene.group),
                image: scene.image.slice(s![.., ys.clone(), xs.clone()]).to_owned(),
                mask: scene.mask.as_ref().map(|mask| mask.slice(s![ys, xs]).to_owned()),
                original_shape: (height, width),
                spacing_mm: scene.spacing_mm,
            });
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tile_shows_its_part_of_the_scene(rows in 1usize..4, columns in 1usize..4, h in 1usize..6, w in 1usize..6, more in 0usize..4) {
            let (height, width) = (rows * h + more.min(h - 1), columns * w + more.min(w - 1));
            let scene = AnnotatedImage {
                id: "s".into(),
                group: "g".into(),
                image: Array3::from_shape_fn((1, height, width), |(_, y, x)| (100 * y + x) as f32),
                mask: Some(Array2::from_shape_fn((height, width), |(y, x)| ((y + x) % 3) as u8)),
                original_shape: (height, width),
                spacing_mm: None,
            };
            let tiles = tiles(&scene, (h, w));
            prop_assert_eq!(tiles.len(), rows * columns);
            for (index, tile) in tiles.iter().enumerate() {
                let (top, left) = (index / columns * h, index % columns * w);
                prop_assert_eq!(tile.shape(), (h, w));
                prop_assert_eq!(tile.image[[0, h - 1, w - 1]], (100 * (top + h - 1) + left + w - 1) as f32);
                prop_assert_eq!(tile.mask.as_ref().unwrap()[[0, 0]], ((top + left) % 3) as u8);
                prop_assert_eq!(&tile.group, &format!("g/column-{}", index % columns));
            }
        }
    }
}
