//! What `porecast --version` says about this build.

use std::sync::LazyLock;

/// Version, commit, features, HDF5 library and instruction set, a line each.
pub fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let features: Vec<&str> = [
            ("cuda", cfg!(feature = "cuda")),
            ("wgpu", cfg!(feature = "wgpu")),
            ("static-hdf5", cfg!(feature = "static-hdf5")),
        ]
        .into_iter()
        .filter_map(|(name, is_on)| is_on.then_some(name))
        .collect();
        let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
        let linked = if cfg!(feature = "static-hdf5") { "built in" } else { "of the system" };
        format!(
            "{}\ncommit    {}\nfeatures  {features}\nHDF5      {}, {linked}\nCPU       {}",
            env!("CARGO_PKG_VERSION"),
            option_env!("PORECAST_COMMIT").unwrap_or("unknown"),
            porecast_store::hdf5_version(),
            porecast_learning::instruction_set(),
        )
    });
    &TEXT
}
