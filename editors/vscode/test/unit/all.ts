/** The tests of what needs no VS Code. */
import "./filters";
import "./inventory";
import "./labels";
import "./reach";
import "./recovery";
import "./words";
