export const VERSION = "django_vite one";
