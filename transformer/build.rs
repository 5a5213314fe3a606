//! Links the prebuilt `libduckdb.so` beside the compiled programs.
//!
//! The linker finds the library through `DUCKDB_LIB_DIR`. At run time a program looks for it
//! in its own folder and the one above (the run path set in `.cargo/config.toml`), which are
//! the profile's folder for programs, and for tests in `deps/`. Every program and test that
//! uses DuckDB depends on this package, so this runs before any of them can.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    // The models are embedded; a new file is seen only if the folder is watched.
    println!("cargo:rerun-if-changed=models");
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    // Without it DuckDB was compiled in, or is the system's: there is nothing to place.
    let Some(folder) = env::var_os("DUCKDB_LIB_DIR") else {
        return Ok(());
    };
    let library = Path::new(&folder).join("libduckdb.so");
    println!("cargo:rerun-if-changed={}", library.display());
    let library = library.canonicalize().map_err(|error| {
        format!(
            "no library at {}: {error}; run ./task setup",
            library.display()
        )
    })?;

    let link = profile_folder()?.join("libduckdb.so");
    // A link that was deleted is made again.
    println!("cargo:rerun-if-changed={}", link.display());
    if fs::read_link(&link).is_ok_and(|target| target == library) {
        return Ok(());
    }
    // Made beside and renamed: two builds into one folder do not see it missing.
    let made = link.with_extension(format!("so.{}", std::process::id()));
    std::os::unix::fs::symlink(&library, &made)?;
    fs::rename(&made, &link)?;
    Ok(())
}

/// The folder that programs are compiled to: `OUT_DIR` is `PROFILE/build/PACKAGE-HASH/out`.
fn profile_folder() -> Result<PathBuf, Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let folder = out
        .ancestors()
        .nth(3)
        .ok_or("OUT_DIR is not in a target folder")?;
    Ok(folder.to_owned())
}
