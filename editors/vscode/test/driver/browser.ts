/** The real window, as a person sees it: reads the tree, and leaves pictures. */
console.log("not yet");
