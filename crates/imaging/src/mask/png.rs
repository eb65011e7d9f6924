//! Masks as grey PNG files.

use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder, ImageError, codecs::png::PngEncoder};
use ndarray::ArrayView2;

/// The bytes of a grey 8-bit PNG of a mask `[y, x]`. The grey level of a pixel is its class times `scale`.
///
/// A scale of 1 stores class indices, as other programs expect; 255 shows a mask of one class in black and
/// white.
///
/// # Errors
/// If the mask is empty or too large for a PNG.
pub fn mask_png(mask: ArrayView2<'_, u8>, scale: u8) -> Result<Vec<u8>, ImageError> {
    let (height, width) = mask.dim();
    let pixels: Vec<u8> = mask.iter().map(|class| class.saturating_mul(scale)).collect();
    let mut bytes = Cursor::new(Vec::new());
    PngEncoder::new(&mut bytes).write_image(&pixels, width as u32, height as u32, ExtendedColorType::L8)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn classes_survive_a_png(height in 1usize..20, width in 1usize..20, seed in any::<u8>()) {
            let mask = Array2::from_shape_fn((height, width), |(y, x)| (y * 37 + x * 11) as u8 ^ seed);
            let read = image::load_from_memory(&mask_png(mask.view(), 1).unwrap()).unwrap().into_luma8();
            prop_assert_eq!(read.dimensions(), (width as u32, height as u32));
            prop_assert_eq!(read.into_raw(), mask.into_raw_vec_and_offset().0);
        }
    }

    #[test]
    fn scales_and_empty_masks() {
        let read = image::load_from_memory(&mask_png(array![[0, 1, 2]].view(), 255).unwrap()).unwrap();
        assert_eq!(read.into_luma8().into_raw(), [0, 255, 255]);
        assert!(mask_png(Array2::zeros((0, 3)).view(), 1).is_err());
    }
}
