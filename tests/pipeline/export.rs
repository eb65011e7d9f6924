//! `porecast export`: what it writes and refuses.

use std::fs::File;

use ndarray::Array4;
use ndarray_npy::NpzReader;
use porecast::store::PredictionFile;

use porecast::InvasionDataset;

use crate::support::{Project, Workshop};

/// Stacks of labels for ImageJ, corrected there and read again.
#[test]
fn exported_stacks_are_imported_again() {
    let project = Project::new();
    project.assert_done("export data.h5 --format tiff -o stacks");
    project.assert_done("import stacks -o again.h5 --time-step 1");
    let [data, again] =
        ["data.h5", "again.h5"].map(|name| InvasionDataset::open(&project.path(name)).unwrap());
    assert_eq!(data.domain_ids(), again.domain_ids());
    for index in 0..data.len() {
        let [data, again] = [&data, &again].map(|dataset| dataset.sequence(index).unwrap());
        assert_eq!((data.domain.solid, data.phase), (again.domain.solid, again.phase));
    }
}

#[test]
fn predictions_are_exported_with_the_channels_of_their_network() {
    let project = Project::new();
    project.trained("inputs = ['pore', 'depth']", "run");
    project.assert_done("predict --run run data.h5 --part test -o out");
    let said = project.assert_done("export out/predictions.h5 --format npz --channels run -o out.npz");
    assert!(said.contains("exported 1 domain with 5 frames of 32 x 32 pixels to out.npz"), "{said}");
    let mut archive = NpzReader::new(File::open(project.path("out.npz")).unwrap()).unwrap();
    let probability: Array4<f32> = archive.by_name("probability").unwrap();
    let file = PredictionFile::open(&project.path("out/predictions.h5")).unwrap();
    assert_eq!(probability.index_axis(ndarray::Axis(0), 0), file.prediction(0).unwrap().probability);
    let channels: Array4<f32> = archive.by_name("channels").unwrap();
    assert_eq!(channels.dim(), (1, 2, 32, 32));
    project.assert_done("export data.h5 --format tiff -o stacks");
    assert!(project.path("stacks/domain-0007.tif").exists());
    project.assert_refused("export data.h5 --format npz -o data.h5 --force", &["would replace the input"]);
    project.assert_refused("inspect data.h5 --png data.h5 --force", &["would replace the input"]);
    project.assert_done("export data.h5 --format xdmf -o paraview");
    assert!(project.path("paraview/domain-0000.xdmf").exists());
    project.assert_refused("export data.h5 --format xdmf -o paraview", &["paraview", "--force"]);
    project.assert_refused("export data.h5 --format tiff --channels run -o more", &["--channels", "npz"]);
    project.assert_refused("export none.h5 --format npz -o none.npz", &["none.h5"]);
}
