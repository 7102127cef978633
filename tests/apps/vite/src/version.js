export const VERSION = "vite one";
