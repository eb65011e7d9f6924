//! XDMF: descriptions of an HDF5 file that ParaView opens, each a sequence of grids in time.

use std::fmt::Write;
use std::path::{Component, Path, PathBuf};

use porecast_base::{Error, Result, atomic};

use super::{Source, file_name};

/// Writes `<domain>.xdmf` for each domain into `folder`. In one file ParaView would mix the times of all domains.
pub(super) fn write(source: &Source, folder: &Path) -> Result<()> {
    for (index, id) in source.ids().iter().enumerate() {
        let path = folder.join(file_name(id, "xdmf"));
        atomic::write(&path, describe(source, index, folder)?.as_bytes())?;
    }
    Ok(())
}

/// The description of a domain in a file in `folder`.
fn describe(source: &Source, index: usize, folder: &Path) -> Result<String> {
    let (frames, height, width) = source.shape();
    // In metres, or in pixels where their size is not known.
    let edge = source.edge_m().unwrap_or(1.0);
    let sequence = source.sequence(index)?;
    let (path, row, rows) = place(source, index)?;
    let file = escape(&reference(path, folder)?.display().to_string());
    let id = escape(&source.ids()[index]);
    let mut text = String::from("<?xml version=\"1.0\"?>\n<Xdmf Version=\"2.0\">\n<Domain>\n");
    let _ = writeln!(text, "<Grid Name=\"{id}\" GridType=\"Collection\" CollectionType=\"Temporal\">");
    for (frame, time) in sequence.times.iter().enumerate() {
        // Pixels are cells, one layer of them; a grid has one more point than cells along each axis.
        let _ = write!(
            text,
            "<Grid Name=\"{id}\" GridType=\"Uniform\">\n<Time Value=\"{time}\"/>\n\
                 <Topology TopologyType=\"3DCoRectMesh\" Dimensions=\"2 {} {}\"/>\n\
                 <Geometry GeometryType=\"ORIGIN_DXDYDZ\"><DataItem Format=\"XML\" Dimensions=\"3\">0 0 0</DataItem>\
                 <DataItem Format=\"XML\" Dimensions=\"3\">{edge} {edge} {edge}</DataItem></Geometry>\n",
            height + 1,
            width + 1,
        );
        let plane = format!("{height} {width}");
        let mut attribute = |name: &str, start: String, count: String, whole: String, kind: &str| {
            let axes = whole.split(' ').count();
            let stride = vec!["1"; axes].join(" ");
            let _ = writeln!(
                text,
                "<Attribute Name=\"{name}\" AttributeType=\"Scalar\" Center=\"Cell\">\
                     <DataItem ItemType=\"HyperSlab\" Dimensions=\"1 {plane}\">\
                     <DataItem Format=\"XML\" Dimensions=\"3 {axes}\">{start} {stride} {count}</DataItem>\
                     <DataItem Format=\"HDF\" Dimensions=\"{whole}\" {kind}>{file}:/{name}</DataItem>\
                     </DataItem></Attribute>"
            );
        };
        let mask = "NumberType=\"UChar\" Precision=\"1\"";
        let kind = if source.name() == "phase" { mask } else { "NumberType=\"Float\" Precision=\"4\"" };
        attribute(
            source.name(),
            format!("{row} {frame} 0 0"),
            format!("1 1 {plane}"),
            format!("{rows} {frames} {plane}"),
            kind,
        );
        attribute("solid", format!("{row} 0 0"), format!("1 {plane}"), format!("{rows} {plane}"), mask);
        text.push_str("</Grid>\n");
    }
    text.push_str("</Grid>\n</Domain>\n</Xdmf>\n");
    Ok(text)
}

/// File of a domain, its row there, and the number of rows.
fn place(source: &Source, index: usize) -> Result<(&Path, usize, usize)> {
    match source {
        Source::Predictions(file) => Ok((file.path(), index, file.domain_ids().len())),
        Source::Dataset(dataset) => dataset.place_in_file(index).ok_or_else(|| {
            let what =
                "is in the layout of the benchmark; convert it with `porecast import`, then export that";
            Error::input(dataset.path(), what)
        }),
    }
}

/// The path of a file relative to `folder`, so that both can move together.
fn reference(file: &Path, folder: &Path) -> Result<PathBuf> {
    let whole = |path: &Path| path.canonicalize().map_err(|e| Error::unreadable(path, e));
    let (file, folder) = (whole(file)?, whole(folder)?);
    let same = file.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(same).map(|_| Component::ParentDir);
    Ok(up.chain(file.components().skip(same)).collect())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
