/** The tests of modules that need no VS Code. */
import "./filters";
import "./inventory";
import "./labels";
import "./reach";
import "./recovery";
import "./serverPlaces";
import "./settings";
import "./words";
