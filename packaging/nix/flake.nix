# The nix flake: `nix run "github:pytest-lens/pytest-lens?dir=packaging/nix" -- run` builds the binary from the source.
{
  description = "pytest-lens: run pytest tests on a warm interpreter, from any editor";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: {
        default = pkgs.rustPlatform.buildRustPackage {
          pname = "pytest-lens";
          version = (builtins.fromTOML (builtins.readFile ../../Cargo.toml)).workspace.package.version;
          src = ../..;
          cargoLock.lockFile = ../../Cargo.lock;
          cargoBuildFlags = [
            "--package"
            "pytest-lens"
          ];
          # The tests need environments from PyPI.
          doCheck = false;
          meta = {
            homepage = "https://github.com/pytest-lens/pytest-lens";
            license = with pkgs.lib.licenses; [
              mit
              asl20
            ];
            mainProgram = "pytest-lens";
          };
        };
      });
    };
}
