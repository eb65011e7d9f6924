//! Writes PNG and animated GIF.

use std::fs::File;
use std::io::{BufWriter, Cursor, Write};
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, ImageFormat, RgbImage};

use porecast_base::atomic;
use porecast_base::{Error, Result};

/// Writes a PNG image atomically.
///
/// # Errors
/// An output error naming `path`.
pub fn write_png(path: &Path, image: &RgbImage) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|e| Error::output(path, e))?;
    atomic::write(path, bytes.get_ref())
}

/// Writes an endlessly repeating GIF animation atomically; each frame shows for `delay_ms`.
///
/// # Errors
/// An output error naming `path`.
pub fn write_gif(path: &Path, frames: impl Iterator<Item = RgbImage>, delay_ms: u32) -> Result<()> {
    atomic::write_with(path, |temporary| {
        let file = File::create(temporary).map_err(|e| Error::output(path, e))?;
        let mut writer = BufWriter::new(file);
        let mut encoder = GifEncoder::new_with_speed(&mut writer, 10);
        encoder.set_repeat(Repeat::Infinite).map_err(|e| Error::output(path, e))?;
        for frame in frames {
            let picture = DynamicImage::ImageRgb8(frame).into_rgba8();
            let frame = Frame::from_parts(picture, 0, 0, Delay::from_numer_denom_ms(delay_ms, 1));
            encoder.encode_frame(frame).map_err(|e| Error::output(path, e))?;
        }
        drop(encoder);
        writer.flush().map_err(|e| Error::output(path, e))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture;

    #[test]
    fn an_animation_keeps_the_palette_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let colours: Vec<_> = (0..100).map(|p| picture::probability_colour(p as f32 / 100.0)).collect();
        let frame = RgbImage::from_fn(100, 2, |x, _| colours[x as usize]);
        write_gif(&path, [frame.clone(), frame.clone()].into_iter(), 100).unwrap();
        let read = image::open(&path).unwrap().into_rgb8();
        assert_eq!(read, frame);
    }
}
