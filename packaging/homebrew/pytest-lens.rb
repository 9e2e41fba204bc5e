# The Homebrew formula, for a tap: it installs the binary of a release.
class PytestLens < Formula
  desc "Language server and command line that run pytest tests on a warm interpreter"
  homepage "https://github.com/pytest-lens/pytest-lens"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on :linux

  on_intel do
    url "https://github.com/pytest-lens/pytest-lens/releases/download/v@VERSION@/pytest-lens-@VERSION@-x86_64-unknown-linux-gnu.tar.gz"
    sha256 "@SHA256 pytest-lens-@VERSION@-x86_64-unknown-linux-gnu.tar.gz@"
  end

  on_arm do
    url "https://github.com/pytest-lens/pytest-lens/releases/download/v@VERSION@/pytest-lens-@VERSION@-aarch64-unknown-linux-gnu.tar.gz"
    sha256 "@SHA256 pytest-lens-@VERSION@-aarch64-unknown-linux-gnu.tar.gz@"
  end

  def install
    bin.install "pytest-lens"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/pytest-lens --version")
  end
end
