//! porecast
pub use porecast_base as base;
pub use porecast_datasets as datasets;
pub use porecast_imaging as imaging;
pub use porecast_learning as learning;
pub use porecast_scoring as scoring;
pub use porecast_simulations as simulations;
pub use porecast_store as store;
