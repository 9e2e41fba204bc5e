/** The tests of what needs no VS Code. */
import "./inventory";
import "./recovery";
import "./words";
