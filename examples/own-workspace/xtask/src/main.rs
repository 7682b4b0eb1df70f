fn main() -> std::process::ExitCode {
    bellwether_artifacts::cli::run::<teahouse::Observed>()
}
